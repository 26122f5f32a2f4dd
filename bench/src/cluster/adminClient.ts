/** The part of a member's admin API that founding a cluster takes. */
export interface MemberIdentity {
  readonly memberId: number;
  readonly clusterId: string | null;
  readonly empty: boolean;
}

interface GroupStatus {
  readonly group: number;
  readonly membership: 'voter' | 'learner' | 'none';
  readonly leader: number;
  readonly lastIndex: number;
  readonly applied: number;
  readonly commit: number;
}

export interface AdminStatus {
  readonly memberId: number;
  readonly ready: boolean;
  readonly notReadyReason: string | null;
  readonly groups: readonly GroupStatus[];
  readonly roster: { readonly version: number };
}

export interface RosterChange {
  readonly memberId: number;
  readonly ordinal: number;
  readonly target: 'learner' | 'voter';
}

export class AdminError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'AdminError';
    this.code = code;
  }
}

const CALL_DEADLINE_MS = 5_000;

export class AdminClient {
  readonly #base: string;

  /** `address`: `host:port` of the member's admin listener. */
  constructor(address: string) {
    this.#base = `http://${address}/admin/v1`;
  }

  identity(): Promise<MemberIdentity> {
    return this.#call('GET', 'identity') as Promise<MemberIdentity>;
  }

  status(): Promise<AdminStatus> {
    return this.#call('GET', 'status') as Promise<AdminStatus>;
  }

  bootstrap(clusterId: string, shards: number): Promise<unknown> {
    return this.#call('POST', 'bootstrap', { clusterId, shards });
  }

  roster(expectedVersion: number, changes: readonly RosterChange[]): Promise<unknown> {
    return this.#call('POST', 'roster', { expectedVersion, changes });
  }

  async #call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#base}/${path}`, {
      method,
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    let answer: unknown = null;
    try {
      answer = text === '' ? null : JSON.parse(text);
    } catch {
      throw new AdminError('PROTOCOL', `${method} ${path}: ${response.status} without JSON`);
    }
    if (response.ok) return answer;
    const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
    const code = typeof fields['code'] === 'string' ? fields['code'] : `HTTP_${response.status}`;
    throw new AdminError(
      code,
      `${method} ${path}: ${code}: ${String(fields['message'] ?? response.statusText)}`,
    );
  }
}
