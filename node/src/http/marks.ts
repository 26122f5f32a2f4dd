import type { GroupId, LogIndex } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';

export const MARK_HEADER = 'x-synccluster-mark';
const MARK = /^([^:,\s]{1,64}):(\d{1,2}):(\d{1,16})$/;
const MAX_HEADER_LENGTH = 8192;

/**
 * How far a client has seen each group. It travels as `clusterId:group:index, …` in a header, so that a client
 * without any state but this text reads its own writes on whichever member it reaches.
 */
export class Marks {
  readonly #clusterId: string;
  readonly #indexes = new Map<GroupId, LogIndex>();

  constructor(clusterId: string, header: string | undefined) {
    this.#clusterId = clusterId;
    if (header === undefined || header === '') return;
    if (header.length > MAX_HEADER_LENGTH) throw badMark();
    for (const part of header.split(',')) {
      const [, cluster, group, index] = MARK.exec(part.trim()) ?? [];
      if (cluster === undefined || !Number.isSafeInteger(Number(index))) throw badMark();
      // After a recovery the cluster has another id and its indexes mean something else.
      if (cluster === clusterId) this.see(Number(group) as GroupId, Number(index) as LogIndex);
    }
  }

  of(group: GroupId): LogIndex {
    return this.#indexes.get(group) ?? (0 as LogIndex);
  }

  see(group: GroupId, index: LogIndex): void {
    if (index > this.of(group)) this.#indexes.set(group, index);
  }

  /** Null: nothing was seen. */
  toHeader(): string | null {
    if (this.#indexes.size === 0) return null;
    return [...this.#indexes].map(([group, index]) => `${this.#clusterId}:${group}:${index}`).join(', ');
  }
}

function badMark(): MemberError {
  return new MemberError(
    'INVALID_ARGUMENT',
    `${MARK_HEADER} must be a list of clusterId:group:index, as an earlier reply gave it`,
  );
}
