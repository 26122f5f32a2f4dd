/** The part of a member's admin API that the rig uses; what it answers is described in docs/architecture.md. */
export interface Identity {
  readonly memberId: number;
  readonly clusterId: string | null;
  readonly empty: boolean;
  /** Why it may not vote; null: it is sound. */
  readonly damaged: string | null;
}

interface GroupStatus {
  readonly group: number;
  readonly role: 'follower' | 'preCandidate' | 'candidate' | 'leader';
  readonly membership: 'voter' | 'learner' | 'none';
  readonly term: number;
  readonly leader: number;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly configuration: {
    readonly voters: readonly { readonly id: number; readonly ordinal: number }[];
    readonly learners: readonly { readonly id: number; readonly ordinal: number }[];
  };
}

export type RosterTarget = 'learner' | 'voter' | 'removed';

export interface RosterEntry {
  readonly memberId: number;
  readonly ordinal: number;
  readonly target: RosterTarget;
}

export interface Status {
  readonly memberId: number;
  readonly ready: boolean;
  readonly notReadyReason: string | null;
  readonly freeBytes: number;
  readonly groups: readonly GroupStatus[];
  readonly roster: {
    readonly version: number;
    readonly members: readonly RosterEntry[];
    /** Ids that were removed, for ever. */
    readonly tombstones: readonly number[];
  };
}

const CALL_TIMEOUT_MS = 4_000;

export class AdminClient {
  readonly #base: string;

  /** `address`: `host:port` of the member's admin listener. */
  constructor(address: string) {
    this.#base = `http://${address}/admin/v1`;
  }

  identity(): Promise<Identity> {
    return this.#call<Identity>('identity');
  }
  status(timeoutMs = CALL_TIMEOUT_MS): Promise<Status> {
    return this.#call<Status>('status', undefined, timeoutMs);
  }
  bootstrap(clusterId: string, shards: number): Promise<unknown> {
    return this.#call('bootstrap', { clusterId, shards });
  }
  roster(expectedVersion: number, changes: readonly RosterEntry[]): Promise<unknown> {
    return this.#call('roster', { expectedVersion, changes });
  }
  transfer(group: number, to: number): Promise<{ readonly accepted: boolean }> {
    return this.#call('transfer', { group, to });
  }

  async #call<T>(path: string, body?: unknown, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    const response = await fetch(`${this.#base}/${path}`, {
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
}
