import type { Recorder } from '../history/recorder.ts';
import { type Action, consume, FleetingKeys, Names, produce, useCache, useLock } from './actors.ts';
import { type AuditResult, audit } from './audit.ts';
import { Random } from './random.ts';
import { RecordedClient, type RecordedOptions } from './recordedClient.ts';
import type { WorkloadSettings } from './settings.ts';

export interface WorkloadWorld {
  readonly recorder: Recorder;
  /** Options of a new client, its clock included; `slot` is the place it works in, from 0. */
  clientOptions(slot: number): RecordedOptions;
}

/** Pause between two attempts at what must be there before the work begins. */
const AGAIN_MS = 100;

/** One place where a client works; when its client is closed the next one takes over, under a new number. */
class Place {
  readonly #open: () => RecordedClient;
  client: RecordedClient;
  #connected = false;

  constructor(open: () => RecordedClient) {
    this.#open = open;
    this.client = open();
  }

  /** The client, once it knows who owns what; null: not within its deadline. */
  async connected(): Promise<RecordedClient | null> {
    const { client } = this;
    if (this.#connected) return client;
    const ready = await client.ready();
    if (ready && client === this.client) this.#connected = true;
    return ready ? client : null;
  }

  /** What was under way ends as it may. */
  reopen(): Promise<void> {
    const old = this.client;
    this.client = this.#open();
    this.#connected = false;
    return old.close();
  }
}

/**
 * Clients of the real library that use locks, queues and the cache at random, all on record. The same code runs in the
 * simulator, on its clocks and links, and against real processes.
 *
 * `prepare`, `start`, faults and healing, `stop`, `audit`; then the history is complete.
 */
export class Workload {
  readonly #world: WorkloadWorld;
  readonly #settings: WorkloadSettings;
  readonly #random: Random;
  readonly #names = new Names();
  readonly #fleeting = new FleetingKeys();
  readonly #places: Place[];
  #clients = 0;
  #running: Promise<void>[] = [];
  #stopping = false;

  constructor(world: WorkloadWorld, seed: number, settings: WorkloadSettings) {
    this.#world = world;
    this.#settings = settings;
    this.#random = new Random(seed);
    this.#places = Array.from({ length: settings.clients }, (_, slot) => new Place(() => this.#open(slot)));
  }

  /** Connects, and declares the queues. False: not within the audit's time. */
  async prepare(): Promise<boolean> {
    const { client } = this.#places[0]!;
    const dueMs = client.clock.monotonicMs() + this.#settings.auditMs;
    const steps = [
      () => client.ready(),
      ...this.#settings.queues.map(
        ({ name, partitions, visibilityMs }) =>
          () =>
            client.declare(name, partitions, visibilityMs),
      ),
    ];
    for (const step of steps) {
      while (!(await step())) {
        if (client.clock.monotonicMs() >= dueMs) return false;
        await client.sleep(AGAIN_MS);
      }
    }
    return true;
  }

  /** Sets all actors to work until `stop`. */
  start(): void {
    const [sending, caching] = [produce(this.#names), useCache(this.#names, this.#fleeting)];
    // More takers than senders: a queue that only grows shows little of what happens at its end.
    const actions: Action[] = [useLock, sending, consume, consume, caching, caching];
    for (const place of this.#places) {
      for (const action of actions) this.#running.push(this.#work(place, action, this.#random.fork()));
    }
  }

  /** Resolves when every actor has finished what it was at and all clients are closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
    this.#running = [];
    await Promise.all(this.#places.map(({ client }) => client.close()));
  }

  /** After `stop`, in a world that is whole again. */
  async audit(): Promise<AuditResult> {
    const auditor = this.#open(0);
    try {
      return await audit(auditor, this.#settings, this.#fleeting.all);
    } finally {
      await auditor.close();
    }
  }

  #open(slot: number): RecordedClient {
    this.#clients++;
    return new RecordedClient(this.#clients, this.#world.recorder, this.#world.clientOptions(slot));
  }

  async #work(place: Place, action: Action, random: Random): Promise<void> {
    while (!this.#stopping) {
      if (random.chance(this.#settings.reconnect)) await place.reopen();
      const client = await place.connected();
      if (client !== null) await action(client, random, this.#settings);
      await place.client.sleep(random.between(1, this.#settings.pauseMs));
    }
  }
}
