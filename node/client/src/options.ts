import { type Clock, systemClock } from './clock.ts';
import { SyncError } from './errors.ts';
import type { ClientEvent } from './events.ts';
import { LIMITS } from './protocol/limits.ts';
import { utf8Bytes } from './protocol/validate.ts';
import { parseAddress, tcpTransport } from './tcpTransport.ts';
import type { Transport } from './transport.ts';

export interface ClientOptions {
  /** `host:port` of some members, or of a load balancer before them. */
  endpoints: readonly string[];
  /** Shown by the members for this client's sessions. @default '' */
  label?: string;
  /** How long the members keep a silent session, with its locks. @default 10000 */
  sessionTtlMs?: number;
  /** Deadline of one operation, all retries included; waiting for a lock or a message comes on top. @default 10000 */
  requestTimeoutMs?: number;
  /** Told of connections, leaders and sessions. What it throws becomes an uncaught exception. */
  onEvent?: (event: ClientEvent) => void;
  /** @default TCP */
  transport?: Transport;
  clock?: Clock;
}

export type CompiledOptions = Readonly<Required<ClientOptions>>;

function duration(field: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new SyncError('INVALID_ARGUMENT', `${field} must be a whole number from ${min} to ${max}`);
}

/** The listener's mistakes must not end in the middle of this library's work. */
function guarded(listener: ClientOptions['onEvent']): (event: ClientEvent) => void {
  if (listener === undefined) return () => {};
  return (event) => {
    try {
      listener(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

/** Checks options and fills in defaults. Throws `INVALID_ARGUMENT` naming the field. */
export function compileOptions(options: ClientOptions): CompiledOptions {
  const { endpoints, label = '' } = options;
  if (endpoints.length === 0) throw new SyncError('INVALID_ARGUMENT', 'endpoints must not be empty');
  for (const endpoint of endpoints) parseAddress(endpoint);
  if (utf8Bytes(label) > LIMITS.labelBytes) {
    throw new SyncError('INVALID_ARGUMENT', `label must have at most ${LIMITS.labelBytes} bytes`);
  }
  return {
    endpoints: [...new Set(endpoints)],
    label,
    sessionTtlMs: duration(
      'sessionTtlMs',
      options.sessionTtlMs ?? 10_000,
      LIMITS.sessionTtlMinMs,
      LIMITS.sessionTtlMaxMs,
    ),
    requestTimeoutMs: duration(
      'requestTimeoutMs',
      options.requestTimeoutMs ?? 10_000,
      1,
      LIMITS.durationMaxMs,
    ),
    onEvent: guarded(options.onEvent),
    transport: options.transport ?? tcpTransport,
    clock: options.clock ?? systemClock,
  };
}
