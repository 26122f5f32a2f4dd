import { isUtf8 } from 'node:buffer';
import { MAX_DEPTH } from './encoder.ts';
import { WireError } from './wireError.ts';

const SHORT_STRING = 24;
const TWO_32 = 0x1_0000_0000;
const MAX_SAFE_HIGH = 0x1f_ffff;
const float = new DataView(new ArrayBuffer(8));
const NOTHING = Buffer.alloc(0);

function malformed(what: string): WireError {
  return new WireError('PROTOCOL', `malformed message: ${what}`);
}

/**
 * Reads msgpack values from one buffer. It meets hostile input: every length is checked against the bytes that
 * are there before anything is allocated, nesting is bounded, strings must be valid UTF-8 (so that every member
 * decodes a logged command to the same text), whole numbers must be safe, extension types do not exist.
 * Bytes come out as views of the source.
 */
export class Decoder {
  #source: Uint8Array = NOTHING;
  #text: Buffer | null = null;
  #at = 0;
  #end = 0;

  /** The value that fills `source` exactly. */
  one(source: Uint8Array): unknown {
    this.#open(source);
    try {
      const value = this.#value(0);
      if (this.#at !== this.#end) throw malformed('bytes behind the value');
      return value;
    } finally {
      this.#close();
    }
  }

  /** The values that fill `source` exactly, one behind the other. */
  many(source: Uint8Array): unknown[] {
    this.#open(source);
    const values: unknown[] = [];
    try {
      while (this.#at < this.#end) values.push(this.#value(0));
      return values;
    } finally {
      this.#close();
    }
  }

  #open(source: Uint8Array): void {
    this.#source = source;
    this.#text = null;
    this.#at = 0;
    this.#end = source.length;
  }

  /** Drops the reference, so that an idle decoder keeps no buffer alive. */
  #close(): void {
    this.#source = NOTHING;
    this.#text = null;
  }

  #value(depth: number): unknown {
    const tag = this.#byte();
    if (tag < 0x80) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag < 0x90) return this.#map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.#list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.#string(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#bytes(this.#byte());
      case 0xc5:
        return this.#bytes(this.#uint16());
      case 0xc6:
        return this.#bytes(this.#uint32());
      case 0xca:
        float.setUint32(0, this.#uint32());
        return float.getFloat32(0);
      case 0xcb:
        float.setUint32(0, this.#uint32());
        float.setUint32(4, this.#uint32());
        return float.getFloat64(0);
      case 0xcc:
        return this.#byte();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf: {
        const high = this.#uint32();
        const low = this.#uint32();
        if (high > MAX_SAFE_HIGH) throw malformed('a number beyond 2^53');
        return high * TWO_32 + low;
      }
      case 0xd0:
        return (this.#byte() << 24) >> 24;
      case 0xd1:
        return (this.#uint16() << 16) >> 16;
      case 0xd2:
        return this.#uint32() | 0;
      case 0xd3: {
        const high = this.#uint32() | 0;
        const value = high * TWO_32 + this.#uint32();
        if (!Number.isSafeInteger(value)) throw malformed('a number beyond 2^53');
        return value;
      }
      case 0xd9:
        return this.#string(this.#byte());
      case 0xda:
        return this.#string(this.#uint16());
      case 0xdb:
        return this.#string(this.#uint32());
      case 0xdc:
        return this.#list(this.#uint16(), depth);
      case 0xdd:
        return this.#list(this.#uint32(), depth);
      case 0xde:
        return this.#map(this.#uint16(), depth);
      default:
        throw malformed(`type 0x${tag.toString(16)} is not used here`);
    }
  }

  #need(bytes: number): void {
    if (bytes > this.#end - this.#at) throw malformed('it ends too early');
  }

  #byte(): number {
    this.#need(1);
    return this.#source[this.#at++]!;
  }

  #uint16(): number {
    this.#need(2);
    const source = this.#source;
    const at = this.#at;
    this.#at = at + 2;
    return (source[at]! << 8) | source[at + 1]!;
  }

  #uint32(): number {
    this.#need(4);
    const source = this.#source;
    const at = this.#at;
    this.#at = at + 4;
    return ((source[at]! << 24) | (source[at + 1]! << 16) | (source[at + 2]! << 8) | source[at + 3]!) >>> 0;
  }

  #bytes(length: number): Uint8Array {
    this.#need(length);
    const start = this.#at;
    this.#at = start + length;
    return this.#source.subarray(start, start + length);
  }

  #list(length: number, depth: number): unknown[] {
    if (depth >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
    this.#need(length);
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.#value(depth + 1));
    return list;
  }

  #map(size: number, depth: number): Record<string, unknown> {
    if (depth >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
    this.#need(2 * size);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < size; i++) {
      const key = this.#value(MAX_DEPTH);
      if (typeof key !== 'string' || key === '__proto__') throw malformed('a key that is not allowed');
      map[key] = this.#value(depth + 1);
    }
    return map;
  }

  #string(length: number): string {
    this.#need(length);
    const source = this.#source;
    const start = this.#at;
    const end = start + length;
    this.#at = end;
    let at = start;
    while (at < end && source[at]! < 0x80) at++;
    if (at === end && length <= SHORT_STRING) {
      let text = '';
      for (let i = start; i < end; i++) text += String.fromCharCode(source[i]!);
      return text;
    }
    this.#text ??= Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    if (at === end) return this.#text.toString('latin1', start, end);
    if (!isUtf8(this.#text.subarray(start, end))) throw malformed('text that is not UTF-8');
    return this.#text.toString('utf8', start, end);
  }
}
