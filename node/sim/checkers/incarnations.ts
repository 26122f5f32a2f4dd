import type { QueueConfigured } from '../history/observations.ts';
import { type Done, isDone, isKind, type Operation } from '../history/operations.ts';

/** A span of real time in which something changed. */
interface Span {
  readonly from: number;
  readonly to: number;
}

/** A declaration is answered once every group has it, or after 5 s: one that took less, in a whole world, is everywhere. */
const EVERYWHERE_WITHIN_MS = 4_000;

interface Evidence {
  /** `newGenerations` of what members showed; null: nobody looks into them. */
  readonly configured: readonly QueueConfigured[] | null;
  /** World time from which nothing is broken. */
  readonly wholeFromMs: number;
}
export const NO_EVIDENCE: Evidence = { configured: null, wholeFromMs: Number.POSITIVE_INFINITY };

/** Of what members showed, in its order: the first sight of each change that was one. */
export function newGenerations(configured: readonly QueueConfigured[]): QueueConfigured[] {
  const newest = new Map<string, number>();
  return configured.filter(({ queue, group, generation }) => {
    const key = place(queue, group);
    // Others apply it too, and again; one that is older than what is there changes nothing.
    if (generation <= (newest.get(key) ?? 0)) return false;
    newest.set(key, generation);
    return true;
  });
}

/**
 * The lives of queues that are deleted and declared anew. Each begins empty: what was in the one before is gone, and
 * its ids never come again. A deletion gets to the groups that hold the messages one by one, after the catalogue:
 * when, is seen in the members, or known of a deletion and declaration in a world that is whole.
 */
export class Incarnations {
  readonly #deletes = new Map<string, Span[]>();
  /** By queue, and by queue and group: ends of lives. */
  readonly #ends = new Map<string, Span[]>();
  readonly #groupOf = new Map<string, number>();
  readonly #isSeen: boolean;

  constructor(operations: readonly Operation[], { configured, wholeFromMs }: Evidence) {
    this.#isSeen = configured !== null;
    for (const operation of operations) {
      if (isKind(operation, 'queueDelete') && operation.outcome !== 'fail') {
        const to = isDone(operation) ? operation.completed.order : Number.POSITIVE_INFINITY;
        add(this.#deletes, operation.call.queue, { from: operation.invoked.order, to });
      } else if (isKind(operation, 'receive') && isDone(operation) && operation.at !== null) {
        // One receive takes from one group.
        for (const { partition } of operation.answer.deliveries) {
          this.#groupOf.set(place(operation.call.queue, partition), operation.at.group);
        }
      }
    }
    if (configured === null) this.#fromCalm(operations, wholeFromMs);
    else this.#fromMembers(configured);
  }

  #fromMembers(configured: readonly QueueConfigured[]): void {
    for (const { queue, group, order } of configured) {
      add(this.#ends, place(queue, group), { from: order, to: order });
    }
  }

  #fromCalm(operations: readonly Operation[], wholeFromMs: number): void {
    const deleted = new Map<string, Done<'queueDelete'>>();
    for (const operation of operations) {
      if (operation.invoked.worldMs < wholeFromMs) continue;
      if (isKind(operation, 'queueDelete') && isDone(operation)) {
        deleted.set(operation.call.queue, operation);
      } else if (isKind(operation, 'queueDeclare') && isDone(operation)) {
        const before = deleted.get(operation.call.queue);
        const tookMs = operation.completed.worldMs - operation.invoked.worldMs;
        if (before === undefined || tookMs > EVERYWHERE_WITHIN_MS) continue;
        if (before.completed.order > operation.invoked.order) continue;
        deleted.delete(operation.call.queue);
        const end = { from: before.invoked.order, to: operation.completed.order };
        add(this.#ends, operation.call.queue, end);
      }
    }
  }

  /** False: it lives as long as the history, and nothing of it may be gone. */
  comesAndGoes(queue: string): boolean {
    return this.#deletes.has(queue);
  }

  /** Ends of lives of what is in this partition, in their order. */
  ends(queue: string, partition: number): readonly Span[] {
    if (!this.comesAndGoes(queue)) return [];
    if (!this.#isSeen) return this.#ends.get(queue) ?? [];
    const group = this.#groupOf.get(place(queue, partition));
    return group === undefined ? [] : (this.#ends.get(place(queue, group)) ?? []);
  }

  /** What was put in at these moments is in the last life for certain. */
  inLastLife(queue: string, partition: number, from: number): boolean {
    if (!this.comesAndGoes(queue)) return true;
    if (this.#isSeen && !this.#groupOf.has(place(queue, partition))) return false;
    const ends = this.ends(queue, partition);
    const last = ends.at(-1);
    if (last === undefined) return this.#isSeen;
    if (last.to > from) return false;
    // Unseen, a later deletion may have had its effect at any time.
    return (
      this.#isSeen ||
      !(this.#deletes.get(queue) ?? []).some(({ from: begun, to }) => begun > last.from && to > last.from)
    );
  }

  /** What was put in up to this moment is gone for certain. */
  isGone(queue: string, partition: number, completed: number): boolean {
    const last = this.ends(queue, partition).at(-1);
    return last !== undefined && completed < last.from;
  }
}

function place(queue: string, number: number): string {
  return JSON.stringify([queue, number]);
}

function add<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
