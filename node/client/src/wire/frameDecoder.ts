import { LIMITS } from '../protocol/limits.ts';
import { WireError } from './wireError.ts';

/** Length prefix of a frame: 32 bits, big-endian. */
export const LENGTH_BYTES = 4;

/** A frame's buffer starts no larger than this and grows as bytes arrive: a claimed length costs nothing. */
const FIRST_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

/**
 * Cuts a byte stream into frames. A payload that lies whole in one chunk comes out as a view of the chunk; whoever
 * keeps it longer than the turn should copy it, or it keeps the whole chunk alive.
 */
export class FrameDecoder {
  readonly #maxBytes: number;
  /** Prefix and payload of the frame that spans chunks. */
  #partial: Uint8Array = NOTHING;
  #filled = 0;

  constructor(options: { maxBytes?: number } = {}) {
    this.#maxBytes = options.maxBytes ?? LIMITS.frameBytes;
  }

  /** Bytes held back because their frame is not complete. */
  get buffered(): number {
    return this.#filled;
  }

  /**
   * The payloads that `chunk` completes, in order. Throws a `WireError` TOO_LARGE as soon as a prefix claims more
   * than `maxBytes`; the stream cannot be read on after that.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const payloads: Uint8Array[] = [];
    let at = 0;
    while (this.#filled > 0 && at < chunk.length) {
      at = this.#fill(chunk, at, LENGTH_BYTES);
      if (this.#filled < LENGTH_BYTES) return payloads;
      const frameBytes = LENGTH_BYTES + this.#lengthAt(this.#partial, 0);
      at = this.#fill(chunk, at, frameBytes);
      if (this.#filled < frameBytes) return payloads;
      payloads.push(this.#partial.subarray(LENGTH_BYTES, frameBytes));
      this.#partial = NOTHING;
      this.#filled = 0;
    }
    while (chunk.length - at >= LENGTH_BYTES) {
      const end = at + LENGTH_BYTES + this.#lengthAt(chunk, at);
      if (end > chunk.length) break;
      payloads.push(chunk.subarray(at + LENGTH_BYTES, end));
      at = end;
    }
    if (at < chunk.length) this.#fill(chunk, at, this.#filled + chunk.length - at);
    return payloads;
  }

  /** Copies from the chunk until `#partial` holds `target` bytes or the chunk ends; returns where it stopped. */
  #fill(chunk: Uint8Array, at: number, target: number): number {
    const take = Math.min(target - this.#filled, chunk.length - at);
    if (take <= 0) return at;
    const needed = this.#filled + take;
    if (needed > this.#partial.length) {
      const room = Math.max(needed, Math.min(target, Math.max(FIRST_BYTES, 2 * this.#partial.length)));
      const next = new Uint8Array(room);
      next.set(this.#partial.subarray(0, this.#filled));
      this.#partial = next;
    }
    this.#partial.set(chunk.subarray(at, at + take), this.#filled);
    this.#filled = needed;
    return at + take;
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const length =
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
    if (length > this.#maxBytes) {
      throw new WireError('TOO_LARGE', `a frame of ${length} bytes is larger than ${this.#maxBytes}`);
    }
    return length;
  }
}
