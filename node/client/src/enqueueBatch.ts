import type { Engine } from './engine.ts';
import { SyncError } from './errors.ts';
import { type NewMessage, Op } from './protocol/commands.ts';
import type { GroupId } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import type { TurnTask } from './turn.ts';
import { WriteOp } from './writeOp.ts';

/** Well below the limit of one command, whatever the overhead of its messages. */
const BATCH_BYTES = LIMITS.commandBytes / 2;
const MESSAGE_OVERHEAD = 32;

/** Gets one message's fate; `position` is what it gave along. */
export interface EnqueueSink {
  readonly queue: string;
  /** Monotonic. */
  readonly deadlineMs: number;
  enqueued(position: number, partition: number, id: number): void;
  /** The sink may `put` it again. */
  notEnqueued(position: number, message: NewMessage, partition: number, error: SyncError): void;
}

/** Messages of one turn for one partition: they become one command. */
export class EnqueueBatch implements TurnTask {
  readonly queue: string;
  readonly group: GroupId;
  readonly partition: number;
  readonly messages: NewMessage[] = [];
  readonly sinks: EnqueueSink[] = [];
  readonly positions: number[] = [];
  readonly #engine: Engine;
  /** Cluster whose catalogue said that the partition is in this group. */
  readonly #clusterId: string;
  readonly #isThere: () => boolean;
  readonly #closed: (batch: EnqueueBatch) => void;
  #bytes = 0;
  #deadlineMs = 0;

  constructor(
    engine: Engine,
    queue: string,
    group: GroupId,
    partition: number,
    isThere: () => boolean,
    closed: (batch: EnqueueBatch) => void,
  ) {
    this.#engine = engine;
    this.#clusterId = engine.router.directory.clusterId;
    this.#isThere = isThere;
    this.queue = queue;
    this.group = group;
    this.partition = partition;
    this.#closed = closed;
    engine.turn.merge(this);
  }

  fits(message: NewMessage): boolean {
    return (
      this.messages.length < LIMITS.batchMessages &&
      (this.messages.length === 0 || this.#bytes + message[0].length + MESSAGE_OVERHEAD <= BATCH_BYTES)
    );
  }

  add(message: NewMessage, sink: EnqueueSink, position: number): void {
    this.messages.push(message);
    this.sinks.push(sink);
    this.positions.push(position);
    this.#bytes += message[0].length + MESSAGE_OVERHEAD;
    if (sink.deadlineMs > this.#deadlineMs) this.#deadlineMs = sink.deadlineMs;
  }

  /** Another cluster answers by now, and is not known to have the partition there. */
  get isElsewhere(): boolean {
    return this.#clusterId !== this.#engine.router.directory.clusterId && !this.#isThere();
  }

  endOfTurn(): void {
    this.#closed(this);
    this.#engine.submit(this.group, new EnqueueOp(this, this.#deadlineMs));
  }
}

class EnqueueOp extends WriteOp {
  readonly #batch: EnqueueBatch;
  constructor(batch: EnqueueBatch, deadlineMs: number) {
    super(deadlineMs, Op.QueueEnqueue, batch.queue, batch.partition, batch.messages);
    this.#batch = batch;
  }
  override pack(session: number, seq: number, floor: number): Uint8Array {
    // Its group may have a queue that the catalogue never heard of: a declaration would take the messages away.
    if (this.#batch.isElsewhere) throw new SyncError('MOVED', 'another cluster answers at these endpoints');
    return super.pack(session, seq, floor);
  }
  protected override applied([ids]: readonly unknown[]): void {
    const { sinks, positions, partition } = this.#batch;
    if (!Array.isArray(ids) || ids.length !== sinks.length) throw new TypeError('an id for each message');
    for (let i = 0; i < sinks.length; i++) {
      sinks[i]!.enqueued(positions[i]!, partition, ids[i] as number);
    }
  }
  protected override failed(error: SyncError): void {
    const { sinks, positions, messages, partition } = this.#batch;
    for (let i = 0; i < sinks.length; i++) {
      sinks[i]!.notEnqueued(positions[i]!, messages[i]!, partition, error);
    }
  }
}
