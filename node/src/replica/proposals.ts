import type { Command, LogIndex, Term } from '@synccluster/client/protocol';
import { ReplyKind } from '@synccluster/client/protocol';
import type { Outcome } from '../machines/machine.ts';
import { type Connection, replyError } from './connection.ts';

/** Commands that become one log entry, and who waits for their outcomes. Parallel arrays: one slot a command. */
export class Batch {
  readonly commands: Command[] = [];
  readonly connections: (Connection | null)[] = [];
  readonly requests: number[] = [];
  readonly #parts: Uint8Array[] = [];
  sizeBytes = 0;
  term = 0 as Term;
  /** Monotonic; when the leadership was lost with this batch undecided. */
  orphanedAtMs = 0;
  readonly #acknowledging: ((index: LogIndex) => void) | undefined;

  /** `acknowledging`: told just before somebody is told that a write stands at `index`. */
  constructor(acknowledging?: (index: LogIndex) => void) {
    this.#acknowledging = acknowledging;
  }

  add(connection: Connection | null, request: number, packed: Uint8Array, command: Command): void {
    this.#parts.push(packed);
    this.sizeBytes += packed.length;
    this.commands.push(command);
    this.connections.push(connection);
    this.requests.push(request);
  }

  /** The entry's data: the packed commands one behind the other. A copy: what came in are views of socket chunks. */
  data(): Uint8Array {
    const data = new Uint8Array(this.sizeBytes);
    let at = 0;
    for (const part of this.#parts) {
      data.set(part, at);
      at += part.length;
    }
    this.#parts.length = 0;
    return data;
  }

  answer(slot: number, outcome: Outcome, index: LogIndex, leader: number): void {
    const connection = this.connections[slot];
    if (connection === null || connection === undefined) return;
    this.connections[slot] = null;
    const request = this.requests[slot]!;
    this.#acknowledging?.(index);
    if (outcome.ok) connection.reply([ReplyKind.Ok, request, index, outcome.value]);
    else replyError(connection, request, outcome.code, outcome.message, leader, outcome.detail);
  }
}

/** How long a write that is not deduplicated may stay undecided after its leader lost the leadership. */
const ORPHAN_MS = 5_000;

/** Proposed batches whose entries are not applied yet, by index. */
export class Proposals {
  readonly #byIndex = new Map<LogIndex, Batch>();
  #sizeBytes = 0;
  #commands = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  get commands(): number {
    return this.#commands;
  }

  add(index: LogIndex, batch: Batch): void {
    this.#byIndex.set(index, batch);
    this.#sizeBytes += batch.sizeBytes;
    this.#commands += batch.commands.length;
  }

  /** The batch that became this entry; another term's entry at its index means it never will. */
  take(index: LogIndex, term: Term): Batch | null {
    const batch = this.#byIndex.get(index);
    if (batch === undefined) return null;
    this.#forget(index, batch);
    if (batch.term === term) return batch;
    fail(batch, () => ['UNAVAILABLE', 'another leader took over before this write was committed']);
    return null;
  }

  /**
   * The leadership is gone and these entries may or may not survive. Deduplicated writes can be sent again at
   * once; the others wait to see, for sending them again could do them twice.
   */
  leadershipLost(leader: number, nowMs: number): void {
    for (const batch of this.#byIndex.values()) {
      batch.orphanedAtMs = nowMs;
      batch.commands.forEach((command, slot) => {
        const connection = batch.connections[slot];
        if (connection === null || connection === undefined || command[3] === 0) return;
        batch.connections[slot] = null;
        replyError(connection, batch.requests[slot]!, 'NOT_LEADER', 'the leader changed', leader);
      });
    }
  }

  overdue(nowMs: number): void {
    for (const [index, batch] of this.#byIndex) {
      if (batch.orphanedAtMs === 0 || nowMs - batch.orphanedAtMs < ORPHAN_MS) continue;
      this.#forget(index, batch);
      failUnknown(batch);
    }
  }

  /** A snapshot replaced the log under them, or the member stops. */
  abandon(): void {
    for (const batch of this.#byIndex.values()) failUnknown(batch);
    this.#byIndex.clear();
    this.#sizeBytes = 0;
    this.#commands = 0;
  }

  #forget(index: LogIndex, batch: Batch): void {
    this.#byIndex.delete(index);
    this.#sizeBytes -= batch.sizeBytes;
    this.#commands -= batch.commands.length;
  }
}

function failUnknown(batch: Batch): void {
  fail(batch, (deduplicated) =>
    deduplicated
      ? ['UNAVAILABLE', 'the leader changed; the same write may be sent again']
      : ['OUTCOME_UNKNOWN', 'the leader changed before it was known whether this write was committed'],
  );
}

/** Answers every command of a batch that will not be applied here. */
export function fail(
  batch: Batch,
  why: (
    deduplicated: boolean,
  ) => readonly [code: 'UNAVAILABLE' | 'OUTCOME_UNKNOWN' | 'NOT_LEADER' | 'OVERLOADED', message: string],
  leader = 0,
): void {
  batch.commands.forEach((command, slot) => {
    const connection = batch.connections[slot];
    if (connection === null || connection === undefined) return;
    batch.connections[slot] = null;
    const [code, message] = why(command[3] > 0);
    replyError(connection, batch.requests[slot]!, code, message, leader);
  });
}
