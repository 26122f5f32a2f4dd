import { toBytes } from './cache.ts';
import type { Catalogue, QueueRoute } from './catalogue.ts';
import type { Engine } from './engine.ts';
import { EnqueueBatch, type EnqueueSink } from './enqueueBatch.ts';
import { asSyncError, SyncError } from './errors.ts';
import type { Message, MessageOwner } from './message.ts';
import { type NewMessage, Op, QueryOp, ReadLevel } from './protocol/commands.ts';
import { LIMITS } from './protocol/limits.ts';
import { hashString } from './protocol/slots.ts';
import { EnqueueCall, type Enqueued, type EnqueueOwner, SettleCall } from './queueCalls.ts';
import { ReceiptBatch, type ReceiptOp } from './receiptBatch.ts';
import { type ReceiveOptions, Receiver } from './receiver.ts';

export interface EnqueueOptions {
  /** Messages of one key stay in order. Without one they spread over the partitions. */
  key?: string;
  /** Not delivered before, in milliseconds. @default 0 */
  delayMs?: number;
  signal?: AbortSignal;
}

export interface PartitionState {
  readonly partition: number;
  readonly ready: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly sizeBytes: number;
}

const NO_OPTIONS: EnqueueOptions = {};

/** One queue. Calls made in the same turn of the event loop share commands. */
export class Queue implements MessageOwner, EnqueueOwner {
  readonly name: string;
  readonly #engine: Engine;
  readonly #catalogue: Catalogue;
  readonly #receiver: Receiver;
  /** Batches of this turn: by partition, and by operation, group and duration. */
  readonly #enqueues: (EnqueueBatch | undefined)[] = [];
  readonly #settlements = new Map<string, ReceiptBatch>();
  /** Messages wait to be sent again, where the queue is then. */
  #rerouting: Promise<QueueRoute> | null = null;
  #turn = 0;

  constructor(engine: Engine, catalogue: Catalogue, name: string) {
    this.#engine = engine;
    this.#catalogue = catalogue;
    this.name = name;
    this.#receiver = new Receiver(engine, catalogue, this);
  }

  /** The payload must not be changed until the call has settled. */
  enqueue(payload: Uint8Array | string, options: EnqueueOptions = NO_OPTIONS): Promise<Enqueued> {
    return new Promise((resolve, reject) => {
      const one = (results: Enqueued[]): void => resolve(results[0]!);
      const sink = new EnqueueCall(this.#engine, this, 1, hashOf(options), one, reject);
      this.#enqueueAll([payload], options, sink);
    });
  }

  /** All of them, or the first error: then some may have gone in. Results are in the order of `payloads`. */
  enqueueMany(
    payloads: readonly (Uint8Array | string)[],
    options: EnqueueOptions = NO_OPTIONS,
  ): Promise<Enqueued[]> {
    if (payloads.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const sink = new EnqueueCall(this.#engine, this, payloads.length, hashOf(options), resolve, reject);
      this.#enqueueAll(payloads, options, sink);
    });
  }

  /** Up to `max` messages; empty when none came within `waitMs`. */
  receive(options: ReceiveOptions = {}): Promise<Message[]> {
    return this.#receiver.receive(options);
  }

  /** Acknowledges several at once; rejects with the first error. */
  ack(messages: readonly Message[]): Promise<void> {
    return this.#settle(Op.QueueAck, messages, 0);
  }

  nack(messages: readonly Message[], delayMs = 0): Promise<void> {
    return this.#settle(Op.QueueNack, messages, delayMs);
  }

  extend(messages: readonly Message[], visibilityMs: number): Promise<void> {
    return this.#settle(Op.QueueExtend, messages, visibilityMs);
  }

  /** Depth of every partition. */
  async inspect(): Promise<PartitionState[]> {
    const { distinctGroups } = await this.#catalogue.route(this.name);
    const states = await Promise.all(
      distinctGroups.map((group) =>
        this.#engine.read(group, ReadLevel.Linearizable, [QueryOp.QueueInspect, this.name], ([depths]) =>
          depths.map(([partition, ready, inFlight, delayed, sizeBytes]) => ({
            partition,
            ready,
            inFlight,
            delayed,
            sizeBytes,
          })),
        ),
      ),
    );
    return states.flat().sort((a, b) => a.partition - b.partition);
  }

  /** For EnqueueCall. */
  put(route: QueueRoute, partition: number, message: NewMessage, sink: EnqueueSink, position: number): void {
    let batch = this.#enqueues[partition];
    if (batch === undefined || !batch.fits(message)) {
      const group = route.groups[partition]!;
      const isThere = (): boolean => this.#catalogue.known(this.name)?.groups[partition] === group;
      batch = new EnqueueBatch(this.#engine, this.name, group, partition, isThere, this.#sent);
      this.#enqueues[partition] = batch;
    }
    batch.add(message, sink, position);
  }

  /** For EnqueueCall. */
  routeAgain(delayMs: number): Promise<QueueRoute> {
    if (this.#rerouting !== null) return this.#rerouting;
    const rerouting = this.#reroute(delayMs);
    this.#rerouting = rerouting;
    const over = (): void => {
      this.#rerouting = null;
    };
    // The first to hear of its end, right before those who wait: what is sent between would overtake them.
    rerouting.then(over, over);
    return rerouting;
  }

  async #reroute(delayMs: number): Promise<QueueRoute> {
    await this.#engine.pause(delayMs);
    this.#catalogue.forget(this.name);
    return this.#catalogue.route(this.name);
  }

  #enqueueAll(payloads: readonly (Uint8Array | string)[], options: EnqueueOptions, call: EnqueueCall): void {
    try {
      const { delayMs = 0, signal } = options;
      if (signal !== undefined && !call.watch(signal)) return;
      const messages = payloads.map((payload) => newMessage(payload, delayMs));
      // Those that have to be sent again come first: messages of one key stay in order.
      const rerouting = this.#rerouting;
      const route = rerouting === null ? this.#catalogue.known(this.name) : null;
      if (route !== null) {
        this.#distribute(route, messages, call);
        return;
      }
      (rerouting ?? this.#catalogue.route(this.name)).then(
        (found) => this.#distribute(found, messages, call),
        (error: unknown) => call.fail(asSyncError(error)),
      );
    } catch (error) {
      call.fail(asSyncError(error));
    }
  }

  #distribute(route: QueueRoute, messages: readonly NewMessage[], call: EnqueueCall): void {
    if (call.settled) return;
    const { keyHash } = call;
    for (let i = 0; i < messages.length; i++) {
      const partition = (keyHash < 0 ? this.#turn++ : keyHash) % route.partitions;
      this.put(route, partition, messages[i]!, call, i);
    }
  }

  readonly #sent = (batch: EnqueueBatch): void => {
    if (this.#enqueues[batch.partition] === batch) this.#enqueues[batch.partition] = undefined;
  };

  #settle(op: ReceiptOp, messages: readonly Message[], durationMs: number): Promise<void> {
    if (messages.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const call = new SettleCall(messages.length, resolve, reject);
      for (const message of messages) {
        const key = `${op} ${message.group} ${durationMs}`;
        let batch = this.#settlements.get(key);
        if (batch === undefined || batch.full) {
          batch = new ReceiptBatch(this.#engine, this.name, message.group, op, durationMs, (sent) => {
            if (this.#settlements.get(key) === sent) this.#settlements.delete(key);
          });
          this.#settlements.set(key, batch);
        }
        batch.add([message.partition, message.id, message.delivery], call);
      }
    });
  }
}

function hashOf({ key }: EnqueueOptions): number {
  if (key === undefined) return -1;
  if (typeof key === 'string') return hashString(key);
  throw new SyncError('INVALID_ARGUMENT', 'a key must be text');
}

function newMessage(payload: Uint8Array | string, delayMs: number): NewMessage {
  const bytes = toBytes(payload);
  // Checked here, because in a batch it would take the others with it.
  if (!(bytes instanceof Uint8Array))
    throw new SyncError('INVALID_ARGUMENT', 'a payload must be bytes or text');
  if (bytes.length > LIMITS.valueBytes) {
    throw new SyncError('TOO_LARGE', `a payload must have at most ${LIMITS.valueBytes} bytes`);
  }
  if (!Number.isSafeInteger(delayMs) || delayMs < 0 || delayMs > LIMITS.durationMaxMs) {
    throw new SyncError(
      'INVALID_ARGUMENT',
      `delayMs must be a whole number from 0 to ${LIMITS.durationMaxMs}`,
    );
  }
  return [bytes, delayMs];
}
