import { backoffMs } from './backoff.ts';
import { Cache } from './cache.ts';
import { Engine } from './engine.ts';
import { SyncError } from './errors.ts';
import { Locks } from './locks.ts';
import { type ClientOptions, compileOptions } from './options.ts';
import { QueryOp, ReadLevel, type RosterTargetValue } from './protocol/commands.ts';
import { COORDINATION_GROUP } from './protocol/ids.ts';
import type { Queue } from './queue.ts';
import { Queues } from './queues.ts';

/** The cluster as group 0 and this client see it. */
export interface ClusterState {
  readonly clusterId: string;
  readonly members: readonly {
    readonly id: number;
    readonly ordinal: number;
    readonly target: RosterTargetValue;
    /** `host:port` for clients; null: not advertised at the moment. */
    readonly address: string | null;
    readonly connected: boolean;
  }[];
  /** Member id by group; 0: unknown to this client. */
  readonly leaders: readonly number[];
  readonly queues: readonly {
    readonly name: string;
    readonly partitions: number;
    readonly visibilityMs: number;
  }[];
}

/** A connection to a cluster. Safe to share within a process; locks taken through it exclude each other too. */
export class Client {
  readonly locks: Locks;
  readonly queues: Queues;
  readonly cache: Cache;
  readonly #engine: Engine;

  constructor(options: ClientOptions) {
    this.#engine = new Engine(compileOptions(options), {
      lost: (registration, error) => {
        if (registration.group === COORDINATION_GROUP) this.locks.sessionLost(registration, error);
      },
      confirmed: (registration) => {
        if (registration.group === COORDINATION_GROUP) this.locks.sessionConfirmed();
      },
    });
    this.locks = new Locks(this.#engine);
    this.queues = new Queues(this.#engine);
    this.cache = new Cache(this.#engine);
  }

  /** Resolves when a member has answered and it is known which group owns what. */
  async ready(): Promise<void> {
    const { router, clock, options } = this.#engine;
    const dueMs = this.#engine.deadlineMs();
    const unavailable = (cause: unknown): SyncError =>
      new SyncError('UNAVAILABLE', `the cluster did not answer within ${options.requestTimeoutMs} ms`, {
        cause,
      });
    await this.#connected(options.requestTimeoutMs, unavailable);
    // A member that was started a moment ago does not know the slots yet.
    for (let failures = 0; router.directory.slotTable.length === 0; failures++) {
      if (failures > 0) {
        const delayMs = backoffMs(clock, failures);
        if (clock.monotonicMs() + delayMs > dueMs) throw unavailable(router.lastError);
        await this.#engine.pause(delayMs);
      }
      await this.queues.refresh();
    }
  }

  #connected(timeoutMs: number, unavailable: (cause: unknown) => SyncError): Promise<void> {
    const { router, clock } = this.#engine;
    if (router.connections.some(({ ready }) => ready)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const waiter = {
        routeReady: () => {
          timer.cancel();
          resolve();
        },
      };
      const timer = clock.after(timeoutMs, () => {
        router.unpark(waiter);
        reject(unavailable(router.lastError));
      });
      router.park(waiter);
    });
  }

  /** A handle; the queue is looked up when it is used. */
  queue(name: string): Queue {
    return this.queues.handle(name);
  }

  inspect(): Promise<ClusterState> {
    const { router } = this.#engine;
    return this.#engine.read(
      COORDINATION_GROUP,
      ReadLevel.Linearizable,
      [QueryOp.ClusterInspect],
      ([clusterId, , table, , roster, , queues]) => ({
        clusterId,
        members: roster.map(([id, ordinal, target]) => ({
          id,
          ordinal,
          target,
          address: router.directory.addressOf(id),
          connected: router.connections.some(({ ready, member }) => ready && member === id),
        })),
        leaders: Array.from({ length: 1 + Math.max(0, ...table) }, (_, group) =>
          router.directory.leaderOf(group),
        ),
        queues: queues.flatMap(([name, , config]) =>
          config === null ? [] : [{ name, partitions: config[0], visibilityMs: config[1] }],
        ),
      }),
    );
  }

  /** Gives back all locks, rejects what is pending and disconnects. */
  close(): Promise<void> {
    return this.#engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A client that has reached a member. Rejects with `UNAVAILABLE` and the last cause if none answers. */
export async function connect(options: ClientOptions): Promise<Client> {
  const client = new Client(options);
  try {
    await client.ready();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
