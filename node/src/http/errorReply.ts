import type { Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode, isErrorCode } from '@synccluster/client/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MemberError } from '../errors.ts';

/** What every error looks like to a client of the HTTP listeners. */
interface ErrorBody {
  code: ErrorCode;
  message: string;
}

const INTERNAL: ErrorBody = {
  code: 'INTERNAL',
  message: "Something unexpected went wrong in this member; its log has the cause under this request's id.",
};

/** Refusals of the HTTP framework, said in the protocol's codes. */
const FRAMEWORK: ReadonlyMap<string, ErrorBody> = new Map<string, ErrorBody>([
  ['FST_ERR_CTP_BODY_TOO_LARGE', { code: 'TOO_LARGE', message: 'The body is too large.' }],
  [
    'FST_ERR_CTP_INVALID_MEDIA_TYPE',
    {
      code: 'INVALID_ARGUMENT',
      message: 'The body must be JSON, sent with the header content-type: application/json (curl: --json).',
    },
  ],
  ['FST_ERR_BAD_URL', { code: 'INVALID_ARGUMENT', message: 'The path is not valid percent-encoding.' }],
  ['FST_ERR_MAX_PARAM_LENGTH', { code: 'TOO_LARGE', message: 'A name or key in the path is too large.' }],
  [
    'FST_ERR_CTP_INVALID_CONTENT_LENGTH',
    { code: 'INVALID_ARGUMENT', message: 'The body is not as long as its content-length says.' },
  ],
]);

function errorBodyOf(error: unknown): ErrorBody {
  if (error instanceof MemberError) {
    return isErrorCode(error.code) ? { code: error.code, message: error.message } : INTERNAL;
  }
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FRAMEWORK.get(code) : undefined;
  if (known !== undefined) return known;
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return { code: 'INVALID_ARGUMENT', message: 'The request could not be read.' };
  }
  return INTERNAL;
}

export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const body = errorBodyOf(error);
  const status = ERROR_CODES[body.code].http;
  if (body === INTERNAL) {
    request.log.error({ err: error, method: request.method, url: request.url }, 'request failed');
    reply.header('x-request-id', request.id);
  }
  if (ERROR_CODES[body.code].retry === 'resend' && status !== 409) reply.header('retry-after', '1');
  void reply.code(status).type('application/json; charset=utf-8').send(body);
}

/** Bytes that are no HTTP request at all: there is no reply object, only the socket. */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const body: ErrorBody =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? { code: 'TOO_LARGE', message: 'The path and headers are too large.' }
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? { code: 'TIMEOUT', message: 'The request did not arrive in time.' }
        : { code: 'INVALID_ARGUMENT', message: 'This is not a valid HTTP request.' };
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const text = JSON.stringify(body);
  const status = ERROR_CODES[body.code].http;
  socket.end(
    `HTTP/1.1 ${status} ${body.code}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}
