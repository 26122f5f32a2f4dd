import type { MemberId, Term } from '@synccluster/client/protocol';
import type { SnapshotWriter } from '../storage/storage.ts';
import type { SnapshotChunk } from '../transport/transport.ts';
import type { GroupContext } from './context.ts';
import type { Group } from './group.ts';

interface Incoming {
  readonly from: MemberId;
  readonly transfer: number;
  next: number;
  writer: SnapshotWriter | null;
  /** Writes go one behind the other; the sender's window bounds how many wait. */
  work: Promise<void>;
}

/** Collects a snapshot's chunks into the store; the core hears of it when the whole is synced. */
export class SnapshotReceiver {
  readonly #group: Group;
  readonly #context: GroupContext;
  #incoming: Incoming | null = null;
  /** The whole of one has come, and the core has not heard of it yet. */
  #settling = false;

  constructor(group: Group, context: GroupContext) {
    this.#group = group;
    this.#context = context;
  }

  take(from: MemberId, chunk: SnapshotChunk): void {
    // From when it is put in place until it is read to be installed, one must stay the store's newest.
    if (chunk.sequence === 0 && !this.#settling && !this.#group.installing) this.#begin(from, chunk.transfer);
    const incoming = this.#incoming;
    if (
      incoming === null ||
      incoming.from !== from ||
      incoming.transfer !== chunk.transfer ||
      incoming.next !== chunk.sequence
    ) {
      this.#ack(from, chunk, false, false);
      return;
    }
    incoming.next += 1;
    const data = chunk.data.slice();
    incoming.work = incoming.work
      .then(() => this.#write(incoming, { ...chunk, data }))
      .catch((error: unknown) => {
        this.#context.logger.warn({ err: error, group: this.#group.id, from }, 'snapshot not received');
        this.#abort(incoming);
        this.#ack(from, chunk, false, false);
      });
  }

  #begin(from: MemberId, transfer: number): void {
    if (this.#incoming !== null) this.#abort(this.#incoming);
    this.#incoming = { from, transfer, next: 0, writer: null, work: Promise.resolve() };
  }

  #abort(incoming: Incoming): void {
    if (this.#incoming === incoming) this.#incoming = null;
    incoming.work = incoming.work.then(async () => {
      const writer = incoming.writer;
      incoming.writer = null;
      await writer?.abort().catch(() => {});
    });
  }

  async #write(incoming: Incoming, chunk: SnapshotChunk): Promise<void> {
    if (this.#incoming !== incoming) return;
    incoming.writer ??= await this.#context.snapshots.create(this.#group.id, chunk.meta);
    await incoming.writer.write(chunk.data);
    // Another transfer took its place meanwhile.
    if (this.#incoming !== incoming) return;
    if (!chunk.last) {
      this.#ack(incoming.from, chunk, true, false);
      return;
    }
    this.#incoming = null;
    this.#settling = true;
    let { meta } = chunk;
    try {
      // An old one must not take the place of what this member applied since. A newer one may be there already, of a
      // leader that was replaced before the core heard of it: what it holds is committed as well.
      if (meta.index > this.#group.applied) meta = await incoming.writer.commit();
      else await incoming.writer.abort();
      incoming.writer = null;
    } finally {
      this.#settling = false;
    }
    this.#ack(incoming.from, chunk, true, true);
    this.#group.core.step({
      type: 'snapshot',
      from: incoming.from,
      to: this.#context.self.id,
      term: chunk.term as Term,
      meta,
    });
    this.#context.wake();
  }

  #ack(to: MemberId, chunk: SnapshotChunk, ok: boolean, done: boolean): void {
    this.#context.send(to, {
      kind: 'snapshotAck',
      group: this.#group.id,
      transfer: chunk.transfer,
      sequence: chunk.sequence,
      done,
      ok,
    });
    this.#context.wake();
  }
}
