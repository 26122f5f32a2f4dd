import {
  type AnswerOf,
  type Command,
  ERROR_CODES,
  type ErrorCode,
  type GroupId,
  type Query,
  ReadLevel,
  type ReadLevelValue,
  type ReplyOf,
} from '@synccluster/client/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MemberError } from '../errors.ts';
import { check, checkText, object, oneOf, type Schema, text } from '../schema.ts';
import type { App } from './listener.ts';
import { MARK_HEADER, Marks } from './marks.ts';
import type { MemberPort } from './memberPort.ts';

/** No fields at all. */
export const nothing = object('No fields', {});

function errorSchema(codes: readonly ErrorCode[]) {
  return object(codes.join(', '), {
    code: oneOf('Stable code of the error', codes),
    message: text('A sentence for people', 4096),
  });
}

/** Errors that any call may answer. */
const ALWAYS: readonly ErrorCode[] = [
  'INVALID_ARGUMENT',
  'TOO_LARGE',
  'OVERLOADED',
  'UNAVAILABLE',
  'NOT_LEADER',
  'OUTCOME_UNKNOWN',
  'TIMEOUT',
  'INTERNAL',
];

export interface RouteSpec<P, Q, B, R> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for parameters. */
  url: string;
  tag: string;
  summary: string;
  description?: string;
  params?: Schema<P>;
  query?: Schema<Q>;
  body?: Schema<B>;
  reply: Schema<R>;
  /** Codes beyond those that any call may answer. */
  refusals?: readonly ErrorCode[];
}

export interface Input<P, Q, B> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Adds a route whose input is checked against its schemas and whose output is documented by them. */
export function addRoute<P, Q, B, R>(
  app: App,
  spec: RouteSpec<P, Q, B, R>,
  handle: (input: Input<P, Q, B>) => Promise<R> | R,
): void {
  const params = spec.params ?? (nothing as Schema<P>);
  const query = spec.query ?? (nothing as Schema<Q>);
  const body = spec.body ?? (nothing as Schema<B>);
  app.fastify.route({
    method: spec.method,
    url: spec.url,
    schema: {
      summary: spec.summary,
      ...(spec.description === undefined ? {} : { description: spec.description }),
      tags: [spec.tag],
      ...(spec.params === undefined ? {} : { params }),
      ...(spec.query === undefined ? {} : { querystring: query }),
      ...(spec.body === undefined ? {} : { body }),
      response: { 200: spec.reply, ...refusalSchemas(new Set([...(spec.refusals ?? []), ...ALWAYS])) },
    },
    handler: async (request, reply) =>
      handle({
        params: checkText(params, request.params as Record<string, unknown>, 'path'),
        query: checkText(query, request.query as Record<string, unknown>, 'query'),
        // A call without any needed field takes no body as an empty one.
        body: check(body, request.body ?? {}, 'body'),
        request,
        reply,
      }),
  });
}

function refusalSchemas(codes: Iterable<ErrorCode>): Record<string, unknown> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const status = ERROR_CODES[code].http;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, list]) => [status, errorSchema(list)]));
}

export const readLevel = oneOf(
  'How fresh the answer must be: `session` at least as new as the mark that was sent, `any` whatever this member has, `linearizable` everything acknowledged to anybody',
  ['session', 'any', 'linearizable'],
);
const LEVELS = {
  any: ReadLevel.Any,
  session: ReadLevel.Session,
  linearizable: ReadLevel.Linearizable,
} as const satisfies Record<string, ReadLevelValue>;

/**
 * One request's way to the groups: it carries the client's mark along and gives the new one back, and knows when
 * the caller has gone.
 */
export class Access {
  readonly member: MemberPort;
  readonly #marks: Marks;
  readonly #reply: FastifyReply;
  readonly #stopping: AbortSignal;
  #signal: AbortSignal | null = null;

  constructor(member: MemberPort, app: App, request: FastifyRequest, reply: FastifyReply) {
    const clusterId = member.clusterId();
    if (clusterId === null) {
      throw new MemberError('UNAVAILABLE', 'This member has not been admitted to a cluster yet.');
    }
    this.member = member;
    this.#stopping = app.stopping.signal;
    this.#reply = reply;
    const header = request.headers[MARK_HEADER];
    this.#marks = new Marks(clusterId, Array.isArray(header) ? header.join(',') : header);
  }

  async write<C extends Command>(group: GroupId, command: C): Promise<ReplyOf<C>> {
    const { index, value } = await this.member.write(group, command);
    this.#marks.see(group, index);
    this.#setHeader();
    return value;
  }

  async read<Q extends Query>(
    group: GroupId,
    query: Q,
    level: keyof typeof LEVELS,
    signal?: AbortSignal,
  ): Promise<AnswerOf<Q>> {
    const { index, value } = await this.member.read(
      group,
      query,
      LEVELS[level],
      this.#marks.of(group),
      signal,
    );
    this.#marks.see(group, index);
    this.#setHeader();
    return value;
  }

  markOf(group: GroupId): number {
    return this.#marks.of(group);
  }

  #setHeader(): void {
    const header = this.#marks.toHeader();
    if (header !== null && !this.#reply.sent) this.#reply.header(MARK_HEADER, header);
  }

  /** Aborted, with a `MemberError` as reason, when the caller disconnects or the member stops. */
  get signal(): AbortSignal {
    if (this.#signal !== null) return this.#signal;
    const gone = new AbortController();
    const response = this.#reply.raw;
    const leave = (): void => {
      if (!response.writableEnded) gone.abort(new MemberError('CANCELLED', 'The caller disconnected.'));
    };
    if (response.destroyed) leave();
    else response.once('close', leave);
    this.#signal = AbortSignal.any([gone.signal, this.#stopping]);
    return this.#signal;
  }
}
