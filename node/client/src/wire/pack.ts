import type { Command } from '../protocol/commands.ts';
import { Decoder } from './decoder.ts';
import { Encoder } from './encoder.ts';

const encoder = new Encoder(64 * 1024);
const decoder = new Decoder();

/** Packs one value into bytes of its own. Throws a `WireError` for what the protocol cannot carry. */
export function pack(value: unknown): Uint8Array {
  encoder.rewind(0);
  encoder.value(value);
  // Small results share the runtime's 8 KiB pool: a typed array of its own costs four times the packing.
  return Buffer.from(encoder.buffer.subarray(0, encoder.position));
}

/** Packs a command: these bytes are what the log stores. */
export function packCommand(command: Command): Uint8Array {
  return pack(command);
}

/** Unpacks the one value that fills `bytes`; byte fields are views of `bytes`. Throws a `WireError`. */
export function unpack(bytes: Uint8Array): unknown {
  return decoder.one(bytes);
}

/** Unpacks values that stand one behind the other, such as the commands of an entry. Throws a `WireError`. */
export function unpackMany(bytes: Uint8Array): unknown[] {
  return decoder.many(bytes);
}
