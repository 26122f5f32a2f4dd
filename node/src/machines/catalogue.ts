import type { QueueConfig } from '@synccluster/client/protocol';
import { pastLost } from './lostIds.ts';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { fail, reply } from './outcome.ts';
import { Section } from './section.ts';

/** `config` null: deleted, and kept so that the deletion can be driven into every data group. */
export type CatalogueEntry = readonly [name: string, generation: number, config: QueueConfig | null];

function sameConfig(a: QueueConfig, b: QueueConfig): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** Queues that are meant to exist. One counter gives the generations, so none is ever used for two queues. */
export class Catalogue {
  lastGeneration = 0;
  readonly #entries = new Map<string, CatalogueEntry>();
  #sorted: readonly CatalogueEntry[] | null = null;

  declare(name: string, config: QueueConfig): Outcome {
    const known = this.#entries.get(name);
    if (known !== undefined && known[2] !== null) {
      if (sameConfig(known[2], config)) return reply<'QueueDeclare'>([known[1]]);
      return fail(
        'CONFLICT',
        `queue "${name}" is declared with ${known[2][0]} partitions and a visibility of ${known[2][1]} ms`,
      );
    }
    return reply<'QueueDeclare'>([this.#change(name, config)]);
  }

  /** A queue that was declared where this state never heard of it must not share its generation with another. */
  recovered(): void {
    this.lastGeneration = pastLost(this.lastGeneration);
  }

  delete(name: string): Outcome {
    const known = this.#entries.get(name);
    if (known === undefined || known[2] === null) {
      return fail('NOT_FOUND', `queue "${name}" is not declared`);
    }
    return reply<'QueueDelete'>([this.#change(name, null)]);
  }

  /** By name, in code units. The same array until something changes. */
  entries(): readonly CatalogueEntry[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => (a[0] < b[0] ? -1 : 1));
    return this.#sorted;
  }

  records(): SnapshotRecord[] {
    return [
      [Section.CatalogueCounters, this.lastGeneration],
      ...this.entries().map((entry) => [Section.CatalogueEntry, ...entry]),
    ];
  }

  restore(record: SnapshotRecord): void {
    const [, name, generation, config] = record as readonly [number, ...CatalogueEntry];
    this.#entries.set(name, [name, generation, config]);
    this.#sorted = null;
  }

  #change(name: string, config: QueueConfig | null): number {
    const generation = ++this.lastGeneration;
    this.#entries.set(name, [name, generation, config]);
    this.#sorted = null;
    return generation;
  }
}
