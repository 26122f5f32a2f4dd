import { KubeError, type KubeErrorCode } from '../runtime/kube.ts';

/** What an API server answers when it refuses. */
interface Status {
  readonly message: string;
  readonly reason: string;
  readonly code: number;
}

const BY_REASON: Readonly<Record<string, KubeErrorCode>> = {
  NotFound: 'NotFound',
  AlreadyExists: 'AlreadyExists',
  Conflict: 'Conflict',
  Invalid: 'Invalid',
  BadRequest: 'Invalid',
  Forbidden: 'Forbidden',
  Unauthorized: 'Forbidden',
  Gone: 'Gone',
  Expired: 'Gone',
};

const BY_CODE: Readonly<Record<number, KubeErrorCode>> = {
  400: 'Invalid',
  401: 'Forbidden',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'Invalid',
  406: 'Invalid',
  409: 'Conflict',
  410: 'Gone',
  413: 'Invalid',
  415: 'Invalid',
  422: 'Invalid',
};

/** The server's refusal as the port tells it; the server's own words are kept. */
export function refusal(code: number, body: string, what: string): KubeError {
  const status = readStatus(code, body);
  return new KubeError(codeOf(status), `${what}: ${status.message}`);
}

/** An `ERROR` event of a watch. */
export function watchRefusal(object: unknown, what: string): KubeError {
  const status = statusOf(object) ?? { message: JSON.stringify(object), reason: '', code: 500 };
  return new KubeError(codeOf(status), `${what}: ${status.message}`);
}

function codeOf({ code, reason, message }: Status): KubeErrorCode {
  // Told as internal errors, but trying again would not help.
  if (
    code === 500 &&
    /failed to create (manager for|typed)|should not be set on objects to be created/.test(message)
  )
    return 'Invalid';
  return BY_REASON[reason] ?? BY_CODE[code] ?? 'Unavailable';
}

function readStatus(code: number, body: string): Status {
  try {
    const status = statusOf(JSON.parse(body));
    if (status !== null) return { ...status, code };
  } catch {
    // A proxy's page, or nothing: told as it is.
  }
  const text = body.trim().slice(0, 300).toWellFormed();
  return { message: text === '' ? `HTTP ${code}` : `HTTP ${code}: ${text}`, reason: '', code };
}

function statusOf(value: unknown): Status | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, message, reason, code } = value as Record<string, unknown>;
  if (kind !== 'Status') return null;
  const known = typeof reason === 'string' ? reason : '';
  return {
    message: typeof message === 'string' && message !== '' ? message : known || 'refused without a message',
    reason: known,
    code: typeof code === 'number' ? code : 500,
  };
}
