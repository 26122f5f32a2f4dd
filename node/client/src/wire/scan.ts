import { isUtf8 } from 'node:buffer';
import { WireError } from './wireError.ts';

/** Deeper values are refused: the protocol nests 5 deep, and the decoder recurses. */
const MAX_DEPTH = 16;
const MAX_SAFE_HIGH = 0x1f_ffff;
const PROTO = Buffer.from('__proto__');

/**
 * Walks msgpack bytes before they are decoded, and refuses what the protocol does not use. It meets hostile input:
 * every length is checked against the bytes that are there, nesting is bounded, strings must be valid UTF-8 (so
 * that every member decodes a logged command to the same text), whole numbers must be safe, and extension types,
 * through which the decoder could be made to build other things than plain values, do not exist.
 */
class Scan {
  #source: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** Throws a `WireError`; returns how many values there are. */
  values(source: Uint8Array): number {
    this.#source = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
    this.#at = 0;
    this.#end = source.length;
    let count = 0;
    for (; this.#at < this.#end; count++) this.#value(0);
    return count;
  }

  #value(depth: number): void {
    const tag = this.#take(1);
    if (tag < 0x80 || tag >= 0xe0) return;
    if (tag < 0x90) {
      this.#map(tag & 0x0f, depth);
      return;
    }
    if (tag < 0xa0) {
      this.#list(tag & 0x0f, depth);
      return;
    }
    if (tag < 0xc0) {
      this.#text(tag & 0x1f);
      return;
    }
    switch (tag) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return;
      case 0xc4:
        this.#skip(this.#take(1));
        return;
      case 0xc5:
        this.#skip(this.#take(2));
        return;
      case 0xc6:
        this.#skip(this.#take(4));
        return;
      case 0xcc:
      case 0xd0:
        this.#skip(1);
        return;
      case 0xcd:
      case 0xd1:
        this.#skip(2);
        return;
      case 0xca:
      case 0xce:
      case 0xd2:
        this.#skip(4);
        return;
      case 0xcb:
        this.#skip(8);
        return;
      case 0xcf:
        if (this.#take(4) > MAX_SAFE_HIGH) throw malformed('a number beyond 2^53');
        this.#skip(4);
        return;
      case 0xd3: {
        const high = this.#take(4) | 0;
        if (!Number.isSafeInteger(high * 0x1_0000_0000 + this.#take(4)))
          throw malformed('a number beyond 2^53');
        return;
      }
      case 0xd9:
        this.#text(this.#take(1));
        return;
      case 0xda:
        this.#text(this.#take(2));
        return;
      case 0xdb:
        this.#text(this.#take(4));
        return;
      case 0xdc:
        this.#list(this.#take(2), depth);
        return;
      case 0xdd:
        this.#list(this.#take(4), depth);
        return;
      case 0xde:
        this.#map(this.#take(2), depth);
        return;
      default:
        throw malformed(`type 0x${tag.toString(16)} is not used here`);
    }
  }

  /** The next bytes as one big-endian number. */
  #take(bytes: 1 | 2 | 4): number {
    this.#need(bytes);
    let value = 0;
    for (let i = 0; i < bytes; i++) value = value * 256 + this.#source[this.#at++]!;
    return value;
  }

  #skip(bytes: number): void {
    this.#need(bytes);
    this.#at += bytes;
  }

  #need(bytes: number): void {
    if (bytes > this.#end - this.#at) throw malformed('it ends too early');
  }

  #list(length: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
    this.#need(length);
    for (let i = 0; i < length; i++) this.#value(depth + 1);
  }

  #map(size: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw malformed(`nested deeper than ${MAX_DEPTH}`);
    this.#need(2 * size);
    for (let i = 0; i < size; i++) {
      const tag = this.#source[this.#at]!;
      const isText = (tag >= 0xa0 && tag < 0xc0) || (tag >= 0xd9 && tag <= 0xdb);
      if (!isText) throw malformed('a key that is not text');
      const start = this.#at;
      this.#value(MAX_DEPTH);
      if (this.#source.subarray(start, this.#at).includes(PROTO))
        throw malformed('a key that is not allowed');
      this.#need(1);
      this.#value(depth + 1);
    }
  }

  #text(length: number): void {
    this.#need(length);
    const source = this.#source;
    const end = this.#at + length;
    let at = this.#at;
    while (at < end && source[at]! < 0x80) at++;
    if (at < end && !isUtf8(source.subarray(this.#at, end))) throw malformed('text that is not UTF-8');
    this.#at = end;
  }
}

function malformed(what: string): WireError {
  return new WireError('PROTOCOL', `malformed message: ${what}`);
}

const scan = new Scan();

/** How many plain values `bytes` hold, one behind the other. Throws a `WireError` PROTOCOL for anything else. */
export function scanValues(bytes: Uint8Array): number {
  return scan.values(bytes);
}
