import { Encoder } from './encoder.ts';
import { LENGTH_BYTES } from './frameDecoder.ts';
import { WireError } from './wireError.ts';

const SLAB_BYTES = 64 * 1024;

/** Collects the frames of one turn of the event loop, so that they leave in one write to the socket. */
export class FrameWriter {
  readonly #encoder = new Encoder(SLAB_BYTES);
  readonly #maxBytes: number;

  /** `maxBytes`: what the other side accepts as one frame, its length prefix not counted. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that `take` would give. */
  get length(): number {
    return this.#encoder.pending;
  }

  /** Packs a value as one frame. Throws a `WireError` and appends nothing if it cannot be packed or is too large. */
  appendValue(value: unknown): void {
    const encoder = this.#encoder;
    const before = encoder.pending;
    try {
      encoder.reserve(LENGTH_BYTES);
      encoder.position += LENGTH_BYTES;
      encoder.value(value);
      const length = encoder.pending - before - LENGTH_BYTES;
      if (length > this.#maxBytes) throw tooLarge(length, this.#maxBytes);
      encoder.buffer.writeUInt32BE(length, encoder.position - length - LENGTH_BYTES);
    } catch (error) {
      encoder.rewind(before);
      throw error;
    }
  }

  /** Appends a payload that is packed already. Throws a `WireError` if it is too large. */
  appendBytes(payload: Uint8Array): void {
    const encoder = this.#encoder;
    if (payload.length > this.#maxBytes) throw tooLarge(payload.length, this.#maxBytes);
    encoder.reserve(LENGTH_BYTES + payload.length);
    encoder.position = encoder.buffer.writeUInt32BE(payload.length, encoder.position);
    encoder.raw(payload);
  }

  /** Appends finished frames, length prefixes and all. */
  appendFrames(frames: Uint8Array): void {
    this.#encoder.raw(frames);
  }

  /** Hands out all frames since the last call; the bytes are never written again. */
  take(): Uint8Array {
    return this.#encoder.take();
  }
}

function tooLarge(length: number, maxBytes: number): WireError {
  return new WireError('TOO_LARGE', `a frame of ${length} bytes is larger than ${maxBytes}`);
}
