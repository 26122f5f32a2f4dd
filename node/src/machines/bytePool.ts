const SLAB_BYTES = 16 * 1024;
const OWN_BUFFER_FROM_BYTES = 2 * 1024;
const NO_BYTES = new Uint8Array(0);

/**
 * Keeps payloads without keeping the log entry they came in: a decoder hands out views, and one small value
 * that lives on would hold megabytes of others that do not. Small ones share slabs.
 */
export class BytePool {
  #slab: Uint8Array = NO_BYTES;
  #used = 0;

  /** The same bytes, held in a buffer of their own size or a slab. The argument must never change. */
  keep(bytes: Uint8Array): Uint8Array {
    const length = bytes.length;
    if (length * 2 >= bytes.buffer.byteLength) return bytes;
    if (length === 0) return NO_BYTES;
    if (length >= OWN_BUFFER_FROM_BYTES) return new Uint8Array(bytes);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_BYTES);
      this.#used = 0;
    }
    const kept = this.#slab.subarray(this.#used, this.#used + length);
    kept.set(bytes);
    this.#used += length;
    return kept;
  }
}
