import { backoffMs } from './backoff.ts';
import type { QueueRoute } from './catalogue.ts';
import type { Engine } from './engine.ts';
import type { EnqueueSink } from './enqueueBatch.ts';
import { asSyncError, cancelled, type SyncError } from './errors.ts';
import type { NewMessage } from './protocol/commands.ts';
import type { ReceiptSink } from './receiptBatch.ts';

/** Where a message went. */
export interface Enqueued {
  readonly partition: number;
  readonly id: number;
}

/** What an enqueue needs of its queue. */
export interface EnqueueOwner {
  readonly name: string;
  /** Puts a message into this turn's batch of its partition. */
  put(route: QueueRoute, partition: number, message: NewMessage, sink: EnqueueSink, position: number): void;
  /** After the queue was not where it should be; those who wait for it go on in the order in which they asked. */
  routeAgain(delayMs: number): Promise<QueueRoute>;
}

/** One `enqueue` or `enqueueMany`: settles when all its messages have. */
export class EnqueueCall implements EnqueueSink {
  readonly queue: string;
  readonly deadlineMs: number;
  /** Of the key of all its messages; −1: they have none. */
  readonly keyHash: number;
  readonly #engine: Engine;
  readonly #owner: EnqueueOwner;
  readonly #results: Enqueued[] = [];
  readonly #resolve: (results: Enqueued[]) => void;
  readonly #reject: (error: SyncError) => void;
  #open: number;
  #retries = 0;
  #settled = false;
  #signal: AbortSignal | null = null;

  constructor(
    engine: Engine,
    owner: EnqueueOwner,
    count: number,
    keyHash: number,
    resolve: (results: Enqueued[]) => void,
    reject: (error: SyncError) => void,
  ) {
    this.#engine = engine;
    this.#owner = owner;
    this.queue = owner.name;
    this.deadlineMs = engine.deadlineMs();
    this.keyHash = keyHash;
    this.#open = count;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get settled(): boolean {
    return this.#settled;
  }

  watch(signal: AbortSignal): boolean {
    this.#signal = signal;
    if (signal.aborted) {
      this.#aborted();
      return false;
    }
    signal.addEventListener('abort', this.#aborted);
    return true;
  }

  enqueued(position: number, partition: number, id: number): void {
    this.#results[position] = { partition, id };
    if (--this.#open > 0 || this.#settled) return;
    this.#settle();
    this.#resolve(this.#results);
  }

  notEnqueued(position: number, message: NewMessage, partition: number, error: SyncError): void {
    // A queue that was declared a moment ago reaches its groups a little later than the catalogue; one that was
    // deleted and declared anew may have fewer partitions.
    if (error.code === 'NOT_FOUND' || error.code === 'MOVED' || error.code === 'INVALID_ARGUMENT') {
      void this.#again(position, message, partition, error);
    } else {
      this.fail(error);
    }
  }

  fail(error: SyncError): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  async #again(position: number, message: NewMessage, partition: number, error: SyncError): Promise<void> {
    const { clock } = this.#engine;
    const delay = backoffMs(clock, this.#retries++);
    if (this.#settled || clock.monotonicMs() + delay >= this.deadlineMs) {
      this.fail(error);
      return;
    }
    try {
      const route = await this.#owner.routeAgain(delay);
      if (error.code === 'INVALID_ARGUMENT' && partition < route.partitions) this.fail(error);
      if (this.#settled) return;
      // By the key anew: of another number of partitions it may be another one.
      const from = this.keyHash < 0 ? partition : this.keyHash;
      this.#owner.put(route, from % route.partitions, message, this, position);
    } catch (failure) {
      this.fail(asSyncError(failure));
    }
  }

  readonly #aborted = (): void => {
    this.fail(cancelled(this.#signal!));
  };

  #settle(): void {
    this.#settled = true;
    this.#signal?.removeEventListener('abort', this.#aborted);
  }
}

/** One `ack`, `nack` or `extend`, of one message or several. */
export class SettleCall implements ReceiptSink {
  #open: number;
  #error: SyncError | null = null;
  readonly #resolve: () => void;
  readonly #reject: (error: SyncError) => void;
  constructor(count: number, resolve: () => void, reject: (error: SyncError) => void) {
    this.#open = count;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  receiptDone(): void {
    this.#done();
  }
  receiptFailed(error: SyncError): void {
    this.#error ??= error;
    this.#done();
  }
  #done(): void {
    if (--this.#open > 0) return;
    if (this.#error === null) this.#resolve();
    else this.#reject(this.#error);
  }
}
