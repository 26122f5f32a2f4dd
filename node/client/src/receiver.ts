import { backoffMs } from './backoff.ts';
import type { Catalogue } from './catalogue.ts';
import type { AnswerPosition, Engine } from './engine.ts';
import { asSyncError, cancelled, SyncError } from './errors.ts';
import { Message, type MessageOwner } from './message.ts';
import { type Delivery, Op, QueryOp, ReadLevel } from './protocol/commands.ts';
import type { GroupId } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import { WriteOp } from './writeOp.ts';

export interface ReceiveOptions {
  /** 1 to 256. @default 1 */
  max?: number;
  /** How long to wait for the first message; 0: not at all. @default 0 */
  waitMs?: number;
  /** How long they stay invisible to others. Default: the queue's. */
  visibilityMs?: number;
  signal?: AbortSignal;
  /** Told of the place in the log of each group's answer, the empty ones included. */
  onAnswer?: ((position: AnswerPosition) => void) | undefined;
}

/**
 * Pulls from all groups that hold partitions, in rotation. A dequeue is a logged command even if it finds nothing,
 * so a group that was found empty is asked again only after a long poll said that it has something.
 */
export class Receiver {
  readonly #engine: Engine;
  readonly #catalogue: Catalogue;
  readonly #owner: MessageOwner & { readonly name: string };
  #rotation = 0;
  readonly #empty = new Set<GroupId>();

  constructor(engine: Engine, catalogue: Catalogue, owner: MessageOwner & { readonly name: string }) {
    this.#engine = engine;
    this.#catalogue = catalogue;
    this.#owner = owner;
  }

  async receive(options: ReceiveOptions): Promise<Message[]> {
    const { max = 1, waitMs = 0, visibilityMs = 0, signal, onAnswer } = options;
    if (!Number.isSafeInteger(waitMs) || waitMs < 0 || waitMs > LIMITS.durationMaxMs) {
      throw new SyncError(
        'INVALID_ARGUMENT',
        `waitMs must be a whole number from 0 to ${LIMITS.durationMaxMs}`,
      );
    }
    const { clock } = this.#engine;
    const dueMs = clock.monotonicMs() + waitMs;
    // A queue that was declared a moment ago is not in its groups yet: that is no reason to fail.
    const patienceMs = this.#engine.deadlineMs();
    for (let missing = 0, polled = false; ; ) {
      if (signal?.aborted === true) throw cancelled(signal);
      // The catalogue itself does not have it: that is final, unlike what groups say of it.
      const { distinctGroups } = await this.#catalogue.route(this.#owner.name);
      try {
        const messages = await this.#takeAny(distinctGroups, max, visibilityMs, signal, onAnswer);
        if (messages.length > 0) return messages;
        // Others were faster than this receiver, whose time is up.
        if (polled && clock.monotonicMs() >= dueMs) return [];
        const leftMs = Math.max(0, dueMs - clock.monotonicMs());
        const ready = await this.#waitForAny(distinctGroups, leftMs, signal);
        if (!ready && clock.monotonicMs() >= dueMs) return [];
        polled = true;
        missing = 0;
      } catch (error) {
        const { code } = asSyncError(error);
        if (code !== 'NOT_FOUND' && code !== 'MOVED') throw error;
        const delay = backoffMs(clock, missing++);
        // It is not coming.
        if (clock.monotonicMs() + delay > patienceMs) throw error;
        this.#catalogue.forget(this.#owner.name);
        await this.#engine.pause(delay);
      }
    }
  }

  /** From the first group, in rotation, that is not known to be empty and gives something. */
  async #takeAny(
    groups: readonly GroupId[],
    max: number,
    visibilityMs: number,
    signal: AbortSignal | undefined,
    onAnswer: ReceiveOptions['onAnswer'],
  ): Promise<Message[]> {
    const first = this.#rotation++;
    for (let i = 0; i < groups.length; i++) {
      const group = groups[(first + i) % groups.length]!;
      if (this.#empty.has(group)) continue;
      const messages = await this.#dequeue(group, max, visibilityMs, signal, onAnswer);
      if (messages.length > 0) return messages;
      this.#empty.add(group);
    }
    return [];
  }

  #dequeue(
    group: GroupId,
    max: number,
    visibilityMs: number,
    signal: AbortSignal | undefined,
    onAnswer: ReceiveOptions['onAnswer'],
  ): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      const deadline = this.#engine.deadlineMs();
      const answered = (messages: Message[], index: number, sends: number): void => {
        onAnswer?.({ group, index, resent: sends > 1 });
        resolve(messages);
      };
      const op = new DequeueOp(this.#owner, group, max, visibilityMs, deadline, answered, reject);
      this.#engine.submit(group, op, signal);
    });
  }

  /** Long polls on all groups; false: none had anything within `waitMs`. */
  async #waitForAny(
    groups: readonly GroupId[],
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const stop = new AbortController();
    const cancel = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', cancel);
    const pollMs = Math.ceil(Math.min(waitMs, LIMITS.longPollMaxMs));
    try {
      return await new Promise<boolean>((resolve, reject) => {
        let open = groups.length;
        for (const group of groups) {
          this.#poll(group, pollMs, stop.signal).then(
            (ready) => {
              open--;
              if (ready) this.#empty.delete(group);
              if (ready || open === 0) resolve(ready);
            },
            (error: unknown) => reject(signal?.aborted === true ? cancelled(signal) : error),
          );
        }
      });
    } finally {
      stop.abort();
      signal?.removeEventListener('abort', cancel);
    }
  }

  #poll(group: GroupId, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const timeoutMs = waitMs + this.#engine.options.requestTimeoutMs;
    return this.#engine.read(
      group,
      ReadLevel.Session,
      [QueryOp.QueueWait, this.#owner.name, waitMs],
      ([ready]) => ready,
      { timeoutMs, signal },
    );
  }
}

class DequeueOp extends WriteOp {
  readonly #owner: MessageOwner;
  readonly #group: GroupId;
  readonly #resolve: (messages: Message[], index: number, sends: number) => void;
  readonly #reject: (error: SyncError) => void;
  constructor(
    owner: MessageOwner & { readonly name: string },
    group: GroupId,
    max: number,
    visibilityMs: number,
    deadlineMs: number,
    resolve: (messages: Message[], index: number, sends: number) => void,
    reject: (error: SyncError) => void,
  ) {
    super(deadlineMs, Op.QueueDequeue, owner.name, max, visibilityMs);
    this.#owner = owner;
    this.#group = group;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  protected override applied(reply: readonly unknown[]): void {
    this.#resolve(this.#messages(reply), this.index, this.sends);
  }
  protected override failed(error: SyncError): void {
    this.#reject(error);
  }
  /** Nobody is there to work on them: back at once, rather than after their visibility timeout. */
  protected override late(reply: readonly unknown[]): void {
    this.#owner.nack(this.#messages(reply), 0).catch(() => {});
  }
  #messages([deliveries]: readonly unknown[]): Message[] {
    if (!Array.isArray(deliveries)) throw new TypeError('deliveries');
    return deliveries.map((delivery: Delivery) => new Message(this.#owner, this.#group, delivery));
  }
}
