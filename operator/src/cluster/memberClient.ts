import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { Agent, request } from 'undici';
import type { RosterChange } from './actions.ts';
import {
  HandoverSchema,
  IdentitySchema,
  type MemberIdentity,
  type MemberStatus,
  RosterVersionSchema,
  StatusSchema,
} from './memberApi.ts';

/** A member refused, did not answer in time, or answered something that is no answer. */
export class MemberCallError extends Error {
  /** As the member named it; `UNREACHABLE` and `BAD_ANSWER` are this side's. */
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MemberCallError';
    this.code = code;
  }
}

/** The admin API of one member. `address` is host:port. */
export interface MemberClient {
  identity(address: string): Promise<MemberIdentity>;
  /** Null until the member is admitted. */
  status(address: string): Promise<MemberStatus | null>;
  bootstrap(address: string, clusterId: string, shards: number): Promise<void>;
  changeRoster(address: string, expectedVersion: number, changes: readonly RosterChange[]): Promise<number>;
  handover(address: string): Promise<number[]>;
  reset(address: string, memberId: number): Promise<void>;
  /** The member's data of a lost cluster goes on under a new id; the member restarts. */
  recover(address: string, memberId: number, clusterId: string, newClusterId: string): Promise<void>;
  close(): Promise<void>;
}

export interface MemberClientOptions {
  /** For reads: an unreachable member must not hold up a pass. Default 1500. */
  readonly readTimeoutMs?: number;
  /** For writes, which may wait for a quorum. Default 10000. */
  readonly writeTimeoutMs?: number;
}

export function createMemberClient(options: MemberClientOptions = {}): MemberClient {
  const readTimeoutMs = options.readTimeoutMs ?? 1500;
  const writeTimeoutMs = options.writeTimeoutMs ?? 10_000;
  const agent = new Agent({ connect: { timeout: readTimeoutMs }, connections: 2, keepAliveTimeout: 10_000 });

  async function call(
    address: string,
    path: string,
    body?: unknown,
  ): Promise<{ code: string | null; json: unknown; text: string }> {
    const timeoutMs = body === undefined ? readTimeoutMs : writeTimeoutMs;
    try {
      const response = await request(`http://${address}/admin/v1/${path}`, {
        dispatcher: agent,
        method: body === undefined ? 'GET' : 'POST',
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await response.body.text();
      const json = parse(text);
      if (response.statusCode < 300) return { code: null, json, text };
      const code = errorCode(json) ?? `HTTP_${response.statusCode}`;
      return { code, json, text };
    } catch (error) {
      throw new MemberCallError('UNREACHABLE', `${address} did not answer ${path}: ${message(error)}`, {
        cause: error,
      });
    }
  }
  async function answer<S extends TSchema>(
    address: string,
    path: string,
    schema: S | null,
    body?: unknown,
  ): Promise<Static<S>> {
    const { code, json, text } = await call(address, path, body);
    if (code !== null)
      throw new MemberCallError(code, `${address} refused ${path}: ${code} ${text.slice(0, 300)}`);
    if (schema === null) return json as Static<S>;
    return checked(schema, json, address, path);
  }

  return {
    identity: (address) => answer(address, 'identity', IdentitySchema),
    status: async (address) => {
      const { code, json, text } = await call(address, 'status');
      if (code === 'UNAVAILABLE') return null;
      if (code !== null) throw new MemberCallError(code, `${address} refused status: ${text.slice(0, 300)}`);
      return checked(StatusSchema, json, address, 'status');
    },
    bootstrap: async (address, clusterId, shards) => {
      await answer(address, 'bootstrap', null, { clusterId, shards });
    },
    changeRoster: async (address, expectedVersion, changes) =>
      (await answer(address, 'roster', RosterVersionSchema, { expectedVersion, changes })).version,
    handover: async (address) => (await answer(address, 'handover', HandoverSchema, {})).remaining,
    reset: async (address, memberId) => {
      await answer(address, 'reset', null, { memberId });
    },
    recover: async (address, memberId, clusterId, newClusterId) => {
      await answer(address, 'recover', null, { memberId, clusterId, newClusterId });
    },
    close: () => agent.destroy(),
  };
}

function checked<S extends TSchema>(schema: S, json: unknown, address: string, path: string): Static<S> {
  if (Value.Check(schema, json)) return json;
  const [first] = Value.Errors(schema, json);
  throw new MemberCallError(
    'BAD_ANSWER',
    `${address} answered ${path} with something else: ${first?.instancePath || '/'} ${first?.message ?? ''}`,
  );
}
function parse(text: string): unknown {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null;
  }
}
function errorCode(json: unknown): string | null {
  if (typeof json !== 'object' || json === null || !('code' in json)) return null;
  return typeof json.code === 'string' ? json.code : null;
}
function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
