import type { Engine } from './engine.ts';
import { SyncError } from './errors.ts';
import { Op, type Receipt } from './protocol/commands.ts';
import type { GroupId } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import type { TurnTask } from './turn.ts';
import { WriteOp } from './writeOp.ts';

export type ReceiptOp = typeof Op.QueueAck | typeof Op.QueueNack | typeof Op.QueueExtend;

/** Gets the fate of one receipt. */
export interface ReceiptSink {
  receiptDone(): void;
  receiptFailed(error: SyncError): void;
}

/** Acks, nacks or extensions of one turn in one group: they become one command. */
export class ReceiptBatch implements TurnTask {
  readonly queue: string;
  readonly op: ReceiptOp;
  /** Delay or visibility in milliseconds. */
  readonly durationMs: number;
  readonly receipts: Receipt[] = [];
  readonly sinks: ReceiptSink[] = [];
  readonly #engine: Engine;
  readonly #group: GroupId;
  readonly #closed: (batch: ReceiptBatch) => void;

  constructor(
    engine: Engine,
    queue: string,
    group: GroupId,
    op: ReceiptOp,
    durationMs: number,
    closed: (batch: ReceiptBatch) => void,
  ) {
    this.#engine = engine;
    this.queue = queue;
    this.#group = group;
    this.op = op;
    this.durationMs = durationMs;
    this.#closed = closed;
    engine.turn.merge(this);
  }

  get full(): boolean {
    return this.receipts.length === LIMITS.batchMessages;
  }

  add(receipt: Receipt, sink: ReceiptSink): void {
    this.receipts.push(receipt);
    this.sinks.push(sink);
  }

  endOfTurn(): void {
    this.#closed(this);
    this.#engine.submit(this.#group, new SettleOp(this, this.#engine.deadlineMs()));
  }
}

class SettleOp extends WriteOp {
  readonly #batch: ReceiptBatch;
  constructor(batch: ReceiptBatch, deadlineMs: number) {
    const { op, queue, receipts, durationMs } = batch;
    if (op === Op.QueueAck) super(deadlineMs, op, queue, receipts);
    else super(deadlineMs, op, queue, receipts, durationMs);
    this.#batch = batch;
  }
  protected override applied([, stale]: readonly unknown[]): void {
    if (!Array.isArray(stale)) throw new TypeError('stale receipts');
    const { receipts, sinks } = this.#batch;
    for (let i = 0; i < sinks.length; i++) {
      if (stale.length > 0 && isIn(stale as Receipt[], receipts[i]!)) {
        sinks[i]!.receiptFailed(
          new SyncError('STALE_RECEIPT', 'the message was delivered again, acknowledged or is gone'),
        );
      } else {
        sinks[i]!.receiptDone();
      }
    }
  }
  protected override failed(error: SyncError): void {
    for (const sink of this.#batch.sinks) sink.receiptFailed(error);
  }
}

function isIn(receipts: readonly Receipt[], [partition, id, delivery]: Receipt): boolean {
  return receipts.some((other) => other[0] === partition && other[1] === id && other[2] === delivery);
}
