import type { MemberId } from '@synccluster/client/protocol';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';

/** Chunks on their way that the receiver has not written. */
const WINDOW_CHUNKS = 16;
const STALLED_MS = 10_000;

interface Transfer {
  readonly id: number;
  acked: number;
  failed: boolean;
  done: boolean;
  /** Wakes the sender when the window moved. */
  moved: () => void;
}

/** Streams the group's newest snapshot to followers that need entries which are compacted away. */
export class SnapshotSender {
  readonly #group: Group;
  readonly #context: GroupContext;
  readonly #transfers = new Map<MemberId, Transfer>();
  #lastId = 0;

  constructor(group: Group, context: GroupContext) {
    this.#group = group;
    this.#context = context;
  }

  start(to: MemberId): void {
    if (this.#transfers.has(to)) return;
    this.#lastId += 1;
    const transfer: Transfer = { id: this.#lastId, acked: -1, failed: false, done: false, moved: () => {} };
    this.#transfers.set(to, transfer);
    void this.#stream(to, transfer)
      .catch((error: unknown) => {
        this.#context.logger.warn({ err: error, group: this.#group.id, to }, 'snapshot not sent');
        return false;
      })
      .then((ok) => {
        if (this.#transfers.get(to) === transfer) this.#transfers.delete(to);
        this.#group.core.snapshotReported(to, ok);
        this.#context.wake();
      });
  }

  acked(from: MemberId, transferId: number, sequence: number, done: boolean, ok: boolean): void {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || transfer.id !== transferId) return;
    transfer.acked = Math.max(transfer.acked, sequence);
    if (!ok) transfer.failed = true;
    if (done) transfer.done = true;
    transfer.moved();
  }

  linkLost(peer: MemberId): void {
    const transfer = this.#transfers.get(peer);
    if (transfer === undefined) return;
    transfer.failed = true;
    transfer.moved();
  }

  cancelAll(): void {
    for (const peer of this.#transfers.keys()) this.linkLost(peer);
  }

  async #stream(to: MemberId, transfer: Transfer): Promise<boolean> {
    const group = this.#group;
    const term = group.core.term;
    await using reader = await this.#context.snapshots.open(group.id);
    if (reader === null) throw new Error('there is no snapshot to send');
    let sequence = 0;
    let held: Uint8Array | null = null;
    const send = async (data: Uint8Array, last: boolean): Promise<void> => {
      await this.#until(transfer, () => sequence - transfer.acked <= WINDOW_CHUNKS);
      const sent = this.#context.send(to, {
        kind: 'snapshotChunk',
        group: group.id,
        transfer: transfer.id,
        sequence,
        term,
        meta: reader.meta,
        data,
        last,
      });
      if (!sent) throw new Error('no link to the member');
      sequence += 1;
      this.#context.wake();
    };
    for await (const chunk of reader.chunks()) {
      if (held !== null) await send(held, false);
      held = chunk.slice();
    }
    await send(held ?? new Uint8Array(0), true);
    await this.#until(transfer, () => transfer.done);
    this.#context.logger.info({ group: group.id, to, index: reader.meta.index }, 'snapshot sent');
    return true;
  }

  /** Resolves when `ready` holds; rejects when the transfer failed or nothing moved for `STALLED_MS`. */
  async #until(transfer: Transfer, ready: () => boolean): Promise<void> {
    while (!transfer.failed && !ready()) {
      const moved = Promise.withResolvers<boolean>();
      transfer.moved = () => moved.resolve(true);
      const timer = this.#context.after(STALLED_MS, () => moved.resolve(false));
      const inTime = await moved.promise;
      timer.cancel();
      if (!inTime) throw new Error(`nothing was acknowledged for ${STALLED_MS} ms`);
    }
    if (transfer.failed) throw new Error('the transfer was broken off');
  }
}
