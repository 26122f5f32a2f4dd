interface Roster {
  readonly version: number;
  readonly tombstones: readonly number[];
}

/** Who was removed from a cluster stays so: as its roster's version rises, nobody is forgotten. */
export class RemovedForEver {
  #clusterId = '';
  #last: Roster = { version: 0, tombstones: [] };

  /** One that was removed by an earlier look and is not any more; null: none. A copy left behind says nothing. */
  look(clusterId: string, roster: Roster): number | null {
    // A cluster that was recovered by force goes on from what one survivor knew.
    if (clusterId !== this.#clusterId) this.#last = { version: 0, tombstones: [] };
    this.#clusterId = clusterId;
    if (roster.version < this.#last.version) return null;
    const forgotten = this.#last.tombstones.find((id) => !roster.tombstones.includes(id)) ?? null;
    this.#last = roster;
    return forgotten;
  }
}
