import type { Recorder } from '../history/recorder.ts';
import { type Action, consume, FleetingKeys, Names, produce, useCache, useLock } from './actors.ts';
import { type AuditResult, audit } from './audit.ts';
import { usePassingQueue } from './passingQueue.ts';
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

  /** Its process died: what was under way there never ends. */
  replace(): void {
    this.client = this.#open();
    this.#connected = false;
  }

  /** What was under way ends as it may. */
  reopen(): Promise<void> {
    const old = this.client;
    this.replace();
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
  #actions: readonly Action[] = [];
  /** By place. */
  readonly #running = new Map<Place, Promise<void>[]>();
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
    const { passingQueue: passing } = this.#settings;
    const steps = [
      () => client.ready(),
      ...this.#settings.queues.map(
        ({ name, partitions, visibilityMs }) =>
          () =>
            client.declare(name, partitions, visibilityMs),
      ),
      ...(passing === null
        ? []
        : [() => client.declare(passing.name, passing.partitions[0]!, passing.visibilityMs)]),
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
    this.#actions = [useLock, sending, consume, consume, caching, caching, usePassingQueue(this.#names)];
    for (const place of this.#places) this.#employ(place);
  }

  /**
   * The process in this place died, with its client and all that this was at, and `clientOptions` tells of another one
   * by now: a new client goes on there.
   */
  replace(slot: number): void {
    const place = this.#places[slot]!;
    place.replace();
    if (this.#running.has(place)) this.#employ(place);
  }

  #employ(place: Place): void {
    this.#running.set(
      place,
      this.#actions.map((action) => this.#work(place, action, this.#random.fork())),
    );
  }

  /** Resolves when every actor has finished what it was at and all clients are closed. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#running.values()].flat());
    this.#running.clear();
    await Promise.all(this.#places.map(({ client }) => client.close()));
  }

  /** After `stop`, in a world that is whole again. */
  async audit(): Promise<AuditResult> {
    const auditor = this.#open(0);
    try {
      return await audit(auditor, this.#settings, this.#fleeting.all, this.#names);
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
