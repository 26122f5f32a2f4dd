import type { Delivery } from './protocol/commands.ts';
import type { GroupId } from './protocol/ids.ts';

/** What a message needs of the queue that it came from. */
export interface MessageOwner {
  ack(messages: readonly Message[]): Promise<void>;
  nack(messages: readonly Message[], delayMs: number): Promise<void>;
  extend(messages: readonly Message[], visibilityMs: number): Promise<void>;
}

/** One delivery of a message. Until it is acknowledged it comes back when its visibility timeout has passed. */
export class Message {
  readonly partition: number;
  readonly id: number;
  /** 1 for the first delivery. */
  readonly delivery: number;
  /** By the cluster's clock. */
  readonly enqueuedAtMs: number;
  readonly payload: Uint8Array;
  /** Group that holds the partition. */
  readonly group: GroupId;
  readonly #owner: MessageOwner;

  constructor(owner: MessageOwner, group: GroupId, delivery: Delivery) {
    this.#owner = owner;
    this.group = group;
    this.partition = delivery[0];
    this.id = delivery[1];
    this.delivery = delivery[2];
    this.enqueuedAtMs = delivery[3];
    // A copy: a view would keep the whole chunk alive for as long as the message is kept.
    this.payload = Buffer.from(delivery[4]);
  }

  text(): string {
    return Buffer.from(this.payload.buffer, this.payload.byteOffset, this.payload.byteLength).toString(
      'utf8',
    );
  }

  /** Done with it. Rejects with `STALE_RECEIPT` if it was delivered again meanwhile. */
  ack(): Promise<void> {
    return this.#owner.ack([this]);
  }

  /** Not done: it is delivered again, `delayMs` from now. */
  nack(options: { delayMs?: number } = {}): Promise<void> {
    return this.#owner.nack([this], options.delayMs ?? 0);
  }

  /** Needs more time: `visibilityMs` from now. */
  extend(visibilityMs: number): Promise<void> {
    return this.#owner.extend([this], visibilityMs);
  }
}
