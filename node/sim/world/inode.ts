/** A crash leaves any of an unsynced write's sectors behind, in no order. */
const SECTOR_BYTES = 512;

interface Range {
  readonly from: number;
  readonly to: number;
}

interface Dirty extends Range {
  /** Which write it was. */
  readonly write: number;
}

/** A file's bytes: as programs see them, and as they stand on the medium. */
export class Inode {
  #cache = Buffer.alloc(0);
  #length = 0;
  #medium = Buffer.alloc(0);
  #mediumLength = 0;
  /** Written, and not synced. */
  #dirty: Dirty[] = [];
  #writes = 0;
  /** A sync of these failed: they look written, nothing will ever write them, and a power failure shows it. */
  #lost: Range[] = [];

  get length(): number {
    return this.#length;
  }
  /** What a power failure would leave, if it left nothing of what is not synced. */
  get medium(): Buffer {
    return this.#medium.subarray(0, this.#mediumLength);
  }
  /** How many writes are complete: a sync that begins now covers these, and none that follow. */
  get writes(): number {
    return this.#writes;
  }
  get hasLost(): boolean {
    return this.#lost.length > 0;
  }

  read(into: Uint8Array, position: number): number {
    const end = Math.min(this.#length, position + into.length);
    if (end <= position) return 0;
    into.set(this.#cache.subarray(position, end));
    return end - position;
  }

  write(buffers: readonly Uint8Array[], position: number): number {
    let at = position;
    let total = 0;
    for (const buffer of buffers) total += buffer.length;
    if (total === 0) return position;
    this.#cache = grown(this.#cache, position + total);
    for (const buffer of buffers) {
      this.#cache.set(buffer, at);
      at += buffer.length;
    }
    this.#length = Math.max(this.#length, at);
    this.#writes += 1;
    this.#dirty.push({ from: position, to: at, write: this.#writes });
    return at;
  }

  /** Of the first `writes` writes: all, or only what lies in [from, to). */
  sync(writes: number, from = 0, to = Number.POSITIVE_INFINITY): void {
    const left: Dirty[] = [];
    for (const range of this.#dirty) {
      const covered = range.write <= writes && range.from >= from && range.to <= to;
      if (covered) this.#settle(range.from, range.to);
      else left.push(range);
    }
    this.#dirty = left;
  }

  /** What was to be synced, the first `writes` writes, is dropped, but for the sectors that `survives` says of. */
  failSync(writes: number, survives: () => boolean): void {
    const left: Dirty[] = [];
    for (const range of this.#dirty) {
      if (range.write > writes) {
        left.push(range);
        continue;
      }
      this.#eachSector(range, (from, to) => {
        if (survives()) this.#settle(from, to);
      });
      this.#lost.push(range);
    }
    this.#dirty = left;
  }

  /** The page cache is gone; `survives` tells which unsynced sectors had been written back by then. */
  powerFailure(survives: () => boolean): void {
    for (const range of this.#dirty) {
      this.#eachSector(range, (from, to) => {
        if (survives()) this.#settle(from, to);
      });
    }
    this.#dirty = [];
    this.#lost = [];
    this.#cache = Buffer.from(this.#medium);
    this.#length = this.#mediumLength;
  }

  /** The system needs memory: what a failed sync left in the cache as clean is read from the medium again. */
  forgetLost(): void {
    for (const { from, to } of this.#lost) {
      this.#cache.fill(0, from, Math.min(to, this.#length));
      this.#medium.copy(this.#cache, from, from, Math.min(to, this.#mediumLength));
    }
    this.#lost = [];
  }

  /** The medium rots: the cache has long been given up. Returns what stands there now; -1: nothing does. */
  corrupt(position: number, change: (byte: number) => number): number {
    if (position >= this.#mediumLength) return -1;
    const byte = change(this.#medium[position]!) & 0xff;
    this.#medium[position] = byte;
    if (position < this.#length) this.#cache[position] = byte;
    return byte;
  }

  /** As a program would read it; -1: nothing is there. */
  byteAt(position: number): number {
    return position < this.#length ? this.#cache[position]! : -1;
  }

  #settle(from: number, to: number): void {
    this.#medium = grown(this.#medium, to);
    this.#cache.copy(this.#medium, from, from, to);
    this.#mediumLength = Math.max(this.#mediumLength, to);
  }

  #eachSector({ from, to }: Range, visit: (from: number, to: number) => void): void {
    for (let at = from; at < to; ) {
      const end = Math.min(to, at + SECTOR_BYTES - (at % SECTOR_BYTES));
      visit(at, end);
      at = end;
    }
  }
}

/** Bytes that were never written are zeros. */
function grown(buffer: Buffer<ArrayBuffer>, length: number): Buffer<ArrayBuffer> {
  if (length <= buffer.length) return buffer;
  const larger = Buffer.alloc(Math.max(length, 2 * buffer.length, 4096));
  buffer.copy(larger);
  return larger;
}
