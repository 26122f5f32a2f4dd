import { LENGTH_BYTES } from './frameDecoder.ts';
import { packFrame } from './pack.ts';
import { WireError } from './wireError.ts';

/** Collects the frames of one turn of the event loop, so that they leave in one write to the socket. */
export class FrameWriter {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  /** `maxBytes`: what the other side accepts as one frame, its length prefix not counted. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that `take` would give. */
  get length(): number {
    return this.#length;
  }

  /** Packs a value as one frame. Throws a `WireError` and appends nothing if it is too large. */
  appendValue(value: unknown): void {
    const frame = packFrame(value);
    this.#check(frame.length - LENGTH_BYTES);
    this.appendFrames(frame);
  }

  /** Appends a payload that is packed already. Throws a `WireError` if it is too large. */
  appendBytes(payload: Uint8Array): void {
    this.#check(payload.length);
    const prefix = Buffer.allocUnsafe(LENGTH_BYTES);
    prefix.writeUInt32BE(payload.length, 0);
    this.appendFrames(prefix);
    this.appendFrames(payload);
  }

  /** Appends finished frames, length prefixes and all. They must not change before `take`. */
  appendFrames(frames: Uint8Array): void {
    this.#parts.push(frames);
    this.#length += frames.length;
  }

  /** Hands out all frames since the last call; the bytes are never written again. */
  take(): Uint8Array {
    const parts = this.#parts;
    const length = this.#length;
    this.#parts = [];
    this.#length = 0;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
  }

  #check(bytes: number): void {
    if (bytes > this.#maxBytes) {
      throw new WireError('TOO_LARGE', `a frame of ${bytes} bytes is larger than ${this.#maxBytes}`);
    }
  }
}
