import type { PartitionDepth, StampMs } from '@synccluster/client/protocol';
import type { BytePool } from './bytePool.ts';
import { CowMap, type CowRecord, type Freezer } from './cowMap.ts';
import type { Due, DueHeap } from './expiry.ts';
import { invariant } from './invariant.ts';
import type { SnapshotRecord } from './machine.ts';
import { ReadyQueue } from './readyQueue.ts';
import { Section } from './section.ts';

/** Part of the snapshot format. */
const MessageState = { Ready: 0, InFlight: 1, Delayed: 2 } as const;
type MessageStateValue = (typeof MessageState)[keyof typeof MessageState];

export interface Message extends CowRecord, Due {
  readonly partition: Partition;
  readonly id: number;
  readonly enqueuedStampMs: number;
  readonly payload: Uint8Array;
  /** How often it was delivered; names the delivery that a receipt is for. */
  delivery: number;
  state: MessageStateValue;
}

/** One ordered share of a queue. Each message is ready, in flight or delayed, and gone when acknowledged. */
export class Partition {
  readonly queue: string;
  readonly number: number;
  readonly messages: CowMap<number, Message>;
  /** Set when the queue goes: its messages then count for nothing. */
  dropped = false;
  nextId: number;
  readonly #ready = new ReadyQueue<Message>();
  readonly #dues: DueHeap<Message>;
  #inFlight = 0;
  #delayed = 0;
  #sizeBytes = 0;

  constructor(queue: string, number: number, firstId: number, freezer: Freezer, dues: DueHeap<Message>) {
    this.queue = queue;
    this.number = number;
    this.nextId = firstId;
    this.messages = new CowMap<number, Message>(freezer, encodeMessage);
    this.#dues = dues;
  }

  get ready(): number {
    return this.#ready.size;
  }

  depth(): PartitionDepth {
    return [this.number, this.ready, this.#inFlight, this.#delayed, this.#sizeBytes];
  }

  /** `payload` is kept. */
  enqueue(payload: Uint8Array, delayMs: number, stampMs: StampMs): number {
    const id = this.nextId++;
    const message: Message = {
      epoch: 0,
      heapIndex: -1,
      dueStampMs: Infinity,
      partition: this,
      id,
      enqueuedStampMs: stampMs,
      payload,
      delivery: 0,
      state: delayMs > 0 ? MessageState.Delayed : MessageState.Ready,
    };
    this.messages.add(id, message);
    this.#sizeBytes += payload.length;
    if (delayMs > 0) {
      this.#delayed++;
      message.dueStampMs = stampMs + delayMs;
      this.#dues.schedule(message);
    } else {
      this.#ready.append(message);
    }
    return id;
  }

  /** The next ready message, now in flight until `stampMs + visibilityMs`. */
  take(visibilityMs: number, stampMs: StampMs): Message | null {
    const next = this.#ready.take();
    if (next === null) return null;
    invariant(next.state === MessageState.Ready, 'what is taken was ready');
    const message = this.messages.edit(next);
    message.delivery++;
    message.state = MessageState.InFlight;
    message.dueStampMs = stampMs + visibilityMs;
    this.#dues.schedule(message);
    this.#inFlight++;
    return message;
  }

  /** The message that this receipt is still good for. */
  inFlight(id: number, delivery: number): Readonly<Message> | null {
    const message = this.messages.get(id);
    if (message === undefined || message.state !== MessageState.InFlight) return null;
    return message.delivery === delivery ? message : null;
  }

  acknowledge(message: Readonly<Message>): void {
    this.#dues.cancel(message);
    this.messages.delete(message.id, message);
    this.#inFlight--;
    this.#sizeBytes -= message.payload.length;
  }

  extend(message: Readonly<Message>, visibilityMs: number, stampMs: StampMs): void {
    const edited = this.messages.edit(message);
    edited.dueStampMs = stampMs + visibilityMs;
    this.#dues.schedule(edited);
  }

  /** Back from flight: to its place among the ready ones, or first delayed. */
  giveBack(message: Readonly<Message>, delayMs: number, stampMs: StampMs): void {
    const edited = this.messages.edit(message);
    this.#inFlight--;
    if (delayMs > 0) {
      this.#delayed++;
      edited.state = MessageState.Delayed;
      edited.dueStampMs = stampMs + delayMs;
      this.#dues.schedule(edited);
    } else {
      this.#makeReady(edited);
    }
  }

  /** The visibility deadline or the delay is over; `message` has left the due heap. */
  fallDue(message: Readonly<Message>): void {
    invariant(message.state !== MessageState.Ready, 'a ready message is not due');
    const edited = this.messages.edit(message);
    if (edited.state === MessageState.InFlight) this.#inFlight--;
    else this.#delayed--;
    this.#makeReady(edited);
  }

  restore(record: SnapshotRecord, pool: BytePool): void {
    const [, , , id, enqueuedStampMs, delivery, state, due, payload] = record as ReturnType<
      typeof encodeMessage
    >;
    invariant(id < this.nextId, 'a message has an id that its partition gave out');
    const message: Message = {
      epoch: 0,
      heapIndex: -1,
      dueStampMs: due === 0 ? Infinity : due,
      partition: this,
      id,
      enqueuedStampMs,
      payload: pool.keep(payload),
      delivery,
      state,
    };
    this.messages.add(id, message);
    this.#sizeBytes += payload.length;
    if (state === MessageState.InFlight) this.#inFlight++;
    else if (state === MessageState.Delayed) this.#delayed++;
    this.#dues.schedule(message);
  }

  /** After all messages have come, in whatever order. */
  restored(): void {
    const ready = [...this.messages.values()].filter((message) => message.state === MessageState.Ready);
    ready.sort((a, b) => a.id - b.id);
    for (const message of ready) this.#ready.append(message);
  }

  #makeReady(message: Message): void {
    this.#dues.cancel(message);
    message.state = MessageState.Ready;
    message.dueStampMs = Infinity;
    this.#ready.giveBack(message);
  }
}

function encodeMessage(message: Readonly<Message>) {
  const { partition, id, enqueuedStampMs, delivery, state, payload } = message;
  const due = message.dueStampMs === Infinity ? 0 : message.dueStampMs;
  return [
    Section.Message,
    partition.queue,
    partition.number,
    id,
    enqueuedStampMs,
    delivery,
    state,
    due,
    payload,
  ] as const;
}
