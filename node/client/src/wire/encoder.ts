import { WireError } from './wireError.ts';

/** Deeper values are refused on both sides: the protocol nests 5 deep, and recursion must be bounded. */
export const MAX_DEPTH = 16;

/** Up to this length a loop over the characters beats the call into the runtime. */
const SHORT_STRING = 40;
const TWO_32 = 0x1_0000_0000;
const float = new DataView(new ArrayBuffer(8));

/**
 * Writes msgpack into one buffer that grows. A closed subset: null, booleans, numbers, strings, bytes, lists and
 * string-keyed plain objects. Every value has one encoding, and strings always come out as valid UTF-8 (a lone
 * surrogate becomes U+FFFD), so what was packed here can always be unpacked.
 */
export class Encoder {
  buffer: Buffer;
  position = 0;
  readonly #slabBytes: number;
  /** Bytes before it were handed out and are never written again. */
  #start = 0;

  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes;
    this.buffer = Buffer.allocUnsafeSlow(slabBytes);
  }

  /** Bytes written since the last `take`. */
  get pending(): number {
    return this.position - this.#start;
  }

  /** Hands out what was written; later writes go behind it or into a new slab. */
  take(): Buffer {
    const taken = this.buffer.subarray(this.#start, this.position);
    this.#start = this.position;
    return taken;
  }

  /** Takes back what was written since `position` had this value; after a failed `value`. */
  rewind(pending: number): void {
    this.position = this.#start + pending;
  }

  reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const pending = this.pending;
    const next = Buffer.allocUnsafeSlow(Math.max(this.#slabBytes, 2 * (pending + bytes)));
    this.buffer.copy(next, 0, this.#start, this.position);
    this.buffer = next;
    this.#start = 0;
    this.position = pending;
  }

  /** Raw bytes, without a header. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.position);
    this.position += bytes.length;
  }

  value(value: unknown, depth = 0): void {
    switch (typeof value) {
      case 'number':
        this.#number(value);
        return;
      case 'string':
        this.#string(value);
        return;
      case 'boolean':
        this.#byte(value ? 0xc3 : 0xc2);
        return;
      case 'undefined':
        this.#byte(0xc0);
        return;
      case 'object':
        break;
      default:
        throw new WireError('PROTOCOL', `a ${typeof value} cannot be packed`);
    }
    if (value === null) {
      this.#byte(0xc0);
    } else if (Array.isArray(value)) {
      if (depth >= MAX_DEPTH) throw new WireError('PROTOCOL', `nested deeper than ${MAX_DEPTH}`);
      this.#header(value.length, 0x90, 16, 0xdc);
      for (let i = 0; i < value.length; i++) this.value(value[i], depth + 1);
    } else if (value instanceof Uint8Array) {
      this.#bytes(value);
    } else {
      this.#object(value, depth);
    }
  }

  #byte(byte: number): void {
    this.reserve(1);
    this.buffer[this.position++] = byte;
  }

  /** `fix` | length below `fixLimit`; else tag16 with 16 bits or tag16 + 1 with 32. */
  #header(length: number, fix: number, fixLimit: number, tag16: number): void {
    this.reserve(5);
    const buffer = this.buffer;
    if (length < fixLimit) {
      buffer[this.position++] = fix | length;
    } else if (length < 0x1_0000) {
      buffer[this.position++] = tag16;
      this.#uint16(length);
    } else {
      buffer[this.position++] = tag16 + 1;
      this.#uint32(length);
    }
  }

  #uint16(value: number): void {
    this.buffer[this.position++] = value >>> 8;
    this.buffer[this.position++] = value;
  }

  #uint32(value: number): void {
    this.buffer[this.position++] = value >>> 24;
    this.buffer[this.position++] = value >>> 16;
    this.buffer[this.position++] = value >>> 8;
    this.buffer[this.position++] = value;
  }

  #number(value: number): void {
    this.reserve(9);
    const buffer = this.buffer;
    if (!Number.isSafeInteger(value)) {
      float.setFloat64(0, value);
      buffer[this.position++] = 0xcb;
      this.#uint32(float.getUint32(0));
      this.#uint32(float.getUint32(4));
    } else if (value >= 0) {
      if (value < 0x80) {
        buffer[this.position++] = value;
      } else if (value < 0x100) {
        buffer[this.position++] = 0xcc;
        buffer[this.position++] = value;
      } else if (value < 0x1_0000) {
        buffer[this.position++] = 0xcd;
        this.#uint16(value);
      } else if (value < TWO_32) {
        buffer[this.position++] = 0xce;
        this.#uint32(value);
      } else {
        buffer[this.position++] = 0xcf;
        this.#uint32(Math.floor(value / TWO_32));
        this.#uint32(value % TWO_32);
      }
    } else if (value >= -32) {
      buffer[this.position++] = value & 0xff;
    } else if (value >= -0x8000_0000) {
      buffer[this.position++] = 0xd2;
      this.#uint32(value);
    } else {
      const high = Math.floor(value / TWO_32);
      buffer[this.position++] = 0xd3;
      this.#uint32(high);
      this.#uint32(value - high * TWO_32);
    }
  }

  #string(value: string): void {
    const length = value.length;
    if (length <= SHORT_STRING) {
      this.reserve(length + 2);
      const buffer = this.buffer;
      const start = this.position;
      let at = start;
      if (length < 32) {
        buffer[at++] = 0xa0 | length;
      } else {
        buffer[at++] = 0xd9;
        buffer[at++] = length;
      }
      let i = 0;
      for (; i < length; i++) {
        const unit = value.charCodeAt(i);
        if (unit >= 0x80) break;
        buffer[at++] = unit;
      }
      if (i === length) {
        this.position = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(value);
    this.reserve(bytes + 5);
    if (bytes >= 32 && bytes < 0x100) {
      this.buffer[this.position++] = 0xd9;
      this.buffer[this.position++] = bytes;
    } else {
      this.#header(bytes, 0xa0, 32, 0xda);
    }
    this.position += this.buffer.write(value, this.position, bytes, 'utf8');
  }

  #bytes(value: Uint8Array): void {
    const length = value.length;
    this.reserve(length + 5);
    if (length < 0x100) {
      this.buffer[this.position++] = 0xc4;
      this.buffer[this.position++] = length;
    } else {
      this.#header(length, 0, 0, 0xc5);
    }
    this.buffer.set(value, this.position);
    this.position += length;
  }

  #object(value: object, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new WireError('PROTOCOL', 'only plain objects, lists, bytes and scalars can be packed');
    }
    if (depth >= MAX_DEPTH) throw new WireError('PROTOCOL', `nested deeper than ${MAX_DEPTH}`);
    const entries = Object.entries(value);
    this.#header(entries.length, 0x80, 16, 0xde);
    for (const [key, item] of entries) {
      this.#string(key);
      this.value(item, depth + 1);
    }
  }
}
