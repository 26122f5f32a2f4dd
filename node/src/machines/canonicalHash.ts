/** murmur3's mixer: every input bit reaches every output bit. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function fold(seed: number, word: number): number {
  return Math.imul((seed ^ word) + 0x9e3779b1, 0x01000193) ^ (seed >>> 15);
}

const Tag = { Null: 1, False: 2, True: 3, Number: 4, Text: 5, Bytes: 6, List: 7 } as const;

/**
 * 32-bit hash of a plain value by its content: the same for a value and for its copy that went through a
 * snapshot, whatever class carries its bytes. Numbers are whole.
 */
export function canonicalHash(value: unknown, seed = 0): number {
  if (typeof value === 'number') {
    const high = Math.floor(value / 0x1_0000_0000);
    return mix(fold(fold(fold(seed, Tag.Number), value | 0), high | 0));
  }
  if (typeof value === 'string') {
    let hash = fold(fold(seed, Tag.Text), value.length);
    for (let i = 0; i < value.length; i++) hash = fold(hash, value.charCodeAt(i));
    return mix(hash);
  }
  if (value instanceof Uint8Array) {
    let hash = fold(fold(seed, Tag.Bytes), value.length);
    for (let i = 0; i < value.length; i++) hash = fold(hash, value[i]!);
    return mix(hash);
  }
  if (Array.isArray(value)) {
    let hash = fold(fold(seed, Tag.List), value.length);
    for (const item of value) hash = canonicalHash(item, hash);
    return mix(hash);
  }
  if (value === null) return mix(fold(seed, Tag.Null));
  if (typeof value === 'boolean') return mix(fold(seed, value ? Tag.True : Tag.False));
  throw new TypeError(`no canonical hash of a ${typeof value}`);
}
