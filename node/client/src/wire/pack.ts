import { Packr, RESERVE_START_SPACE, Unpackr } from 'msgpackr';
import type { Command } from '../protocol/commands.ts';
import { LENGTH_BYTES } from './frameDecoder.ts';
import { scanValues } from './scan.ts';
import { WireError } from './wireError.ts';

/** No records and no shared structures: bytes must mean the same to everybody, for ever (they are in the log). */
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

/** Packs one value into bytes of its own. */
export function pack(value: unknown): Uint8Array {
  // A copy: what the packer returns shares its slab, which a small command that is kept would keep alive.
  return Buffer.from(packr.pack(value));
}

/** Packs a command: these bytes are what the log stores. */
export function packCommand(command: Command): Uint8Array {
  return pack(command);
}

/** Packs one value as a frame, its length before it. The bytes share a slab with others: do not keep them. */
export function packFrame(value: unknown): Buffer {
  const frame = packr.pack(value, RESERVE_START_SPACE + LENGTH_BYTES) as Buffer;
  frame.writeUInt32BE(frame.length - LENGTH_BYTES, 0);
  return frame;
}

/** Unpacks the one value that fills `bytes`; byte fields are views of `bytes`. Throws a `WireError`. */
export function unpack(bytes: Uint8Array): unknown {
  if (scanValues(bytes) !== 1) throw new WireError('PROTOCOL', 'malformed message: one value was expected');
  return decoded(() => unpackr.unpack(bytes));
}

/** Unpacks values that stand one behind the other, such as the commands of an entry. Throws a `WireError`. */
export function unpackMany(bytes: Uint8Array): unknown[] {
  if (scanValues(bytes) === 0) return [];
  return decoded(() => unpackr.unpackMultiple(bytes) as unknown[]);
}

/** What the scan let through decodes; should it not, it is still the sender's fault and no crash. */
function decoded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new WireError('PROTOCOL', `malformed message: ${String(error)}`);
  }
}
