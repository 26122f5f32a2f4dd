import type { Engine } from './engine.ts';
import { SyncError } from './errors.ts';
import { QueryOp, ReadLevel } from './protocol/commands.ts';
import { COORDINATION_GROUP, type GroupId } from './protocol/ids.ts';

/** Where a queue's partitions are. */
export interface QueueRoute {
  readonly partitions: number;
  /** By partition. */
  readonly groups: readonly GroupId[];
  /** Each group that holds a partition, once. */
  readonly distinctGroups: readonly GroupId[];
}

/** Queues and slots as group 0 has them, fetched when first needed and after something was not where it should be. */
export class Catalogue {
  readonly #engine: Engine;
  #routes = new Map<string, QueueRoute>();
  /** Id of the cluster whose queues these are: another one may have others. */
  #clusterId = '';
  #fetching: Promise<void> | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** What is known without asking. */
  known(queue: string): QueueRoute | null {
    if (this.#clusterId !== this.#engine.router.directory.clusterId) return null;
    return this.#routes.get(queue) ?? null;
  }

  /** Rejects with `NOT_FOUND` if there is no such queue. */
  async route(queue: string): Promise<QueueRoute> {
    const known = this.known(queue);
    if (known !== null) return known;
    await this.refresh();
    const route = this.known(queue);
    if (route !== null) return route;
    if (this.#clusterId !== this.#engine.router.directory.clusterId) {
      throw new SyncError('UNAVAILABLE', 'another cluster answers at these endpoints');
    }
    throw new SyncError('NOT_FOUND', `queue "${queue}" does not exist`);
  }

  forget(queue: string): void {
    this.#routes.delete(queue);
  }

  /** Fetches all of it; calls made meanwhile share one fetch. */
  refresh(): Promise<void> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<void> {
    const { directory } = this.#engine.router;
    // Linearizable: a queue that anybody was told of is found.
    await this.#engine.read(
      COORDINATION_GROUP,
      ReadLevel.Linearizable,
      [QueryOp.ClusterInspect],
      ([clusterId, slotEpoch, slotTable, , , , queues]) => {
        if (clusterId === directory.clusterId) directory.setSlots(slotEpoch, slotTable);
        const routes = new Map<string, QueueRoute>();
        if (directory.slotTable.length === 0) return;
        for (const [name, , config] of queues) {
          if (config === null) continue;
          const groups = Array.from({ length: config[0] }, (_, partition) =>
            directory.groupOfPartition(name, partition),
          );
          routes.set(name, { partitions: config[0], groups, distinctGroups: [...new Set(groups)] });
        }
        this.#routes = routes;
        this.#clusterId = clusterId;
      },
    );
  }
}
