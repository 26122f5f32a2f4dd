/** Header: magic, client, index, and their sum, each 32 bits: a payload names who wrote it and as what. */
export const PAYLOAD_BYTES_MIN = 16;
const MAGIC = 0x53_43_42_31;

export interface Stamp {
  readonly client: number;
  readonly index: number;
}

/** Fills payloads with bytes that do not compress, the same in every run. */
export class PayloadMaker {
  readonly #template: Buffer;

  constructor(bytes: number) {
    if (bytes < PAYLOAD_BYTES_MIN)
      throw new RangeError(`payload of ${bytes} bytes, at least ${PAYLOAD_BYTES_MIN}`);
    this.#template = Buffer.alloc(bytes);
    const random = seeded(bytes);
    for (let at = PAYLOAD_BYTES_MIN; at < bytes; at++) this.#template[at] = random() * 256;
  }

  make(client: number, index: number): Buffer {
    const payload = Buffer.allocUnsafe(this.#template.length);
    this.#template.copy(payload);
    payload.writeUInt32LE(MAGIC, 0);
    payload.writeUInt32LE(client, 4);
    payload.writeUInt32LE(index, 8);
    payload.writeUInt32LE((MAGIC + client + index) >>> 0, 12);
    return payload;
  }

  /** Null: these are not bytes that `make` produced. */
  read(payload: Uint8Array): Stamp | null {
    if (payload.length !== this.#template.length) return null;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const client = view.getUint32(4, true);
    const index = view.getUint32(8, true);
    if (view.getUint32(0, true) !== MAGIC) return null;
    if (view.getUint32(12, true) !== (MAGIC + client + index) >>> 0) return null;
    const last = payload.length - 1;
    if (last >= PAYLOAD_BYTES_MIN && payload[last] !== this.#template[last]) return null;
    return { client, index };
  }
}

/** mulberry32: numbers in [0, 1), the same for the same seed, so that every cluster size gets the same work. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
