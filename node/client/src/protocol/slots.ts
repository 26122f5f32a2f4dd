import type { GroupId, Slot } from './ids.ts';

/** Keys hash to slots, slots belong to groups by a logged table: so a later move changes the table, not the keys. */
export const SLOT_COUNT = 1024;

/** FNV-1a over UTF-16 code units, finished with murmur3's mixer: the same on every platform, no allocation. */
export function hashString(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return mix(hash);
}

function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function slotOf(key: string): Slot {
  return (hashString(key) % SLOT_COUNT) as Slot;
}

/** Partition for a message with a key: every producer must choose alike, or the key's order is lost. */
export function partitionOfKey(key: string, partitions: number): number {
  return hashString(key) % partitions;
}

/** Partitions of one queue spread like keys do. */
export function slotOfPartition(queue: string, partition: number): Slot {
  return slotOf(`${queue}/${partition}`);
}

/**
 * Slot table of a cluster with groups 1…shards, by rendezvous hashing: another number of shards moves only
 * about 1/n of the slots.
 */
export function assignSlots(shards: number): Uint8Array {
  const table = new Uint8Array(SLOT_COUNT);
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    let best = 1;
    let bestWeight = -1;
    for (let group = 1; group <= shards; group++) {
      const weight = mix(Math.imul(slot + 1, 0x9e3779b1) ^ Math.imul(group, 0x7feb352d));
      if (weight > bestWeight) {
        best = group;
        bestWeight = weight;
      }
    }
    table[slot] = best;
  }
  return table;
}

export function groupOfSlot(table: Uint8Array, slot: Slot): GroupId {
  return (table[slot] ?? 0) as GroupId;
}
