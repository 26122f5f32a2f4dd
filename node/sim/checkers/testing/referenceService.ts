import type { LockModeName, ReadLevelName } from '@synccluster/client';
import type { AnswerOf, DeliveryRecord } from '../../history/operations.ts';
import type { Random } from '../../workload/random.ts';

/** What the service may do wrong now and then, so that the checkers have something to find. */
export const SERVICE_BUGS = [
  'double grant',
  'token falls',
  'lost message',
  'acknowledged message comes back',
  'message enqueued twice',
  'delivered twice with one count',
  'delivery count skips',
  'newest message first',
  'stale linearizable read',
  'stale session read',
  'lost write',
  'deletion comes back',
] as const;
export type ServiceBug = (typeof SERVICE_BUGS)[number];

interface Stored {
  readonly partition: number;
  readonly message: number;
  readonly payload: string;
  state: 'ready' | 'inFlight' | 'delayed';
  delivery: number;
}
interface Receipt {
  readonly partition: number;
  readonly message: number;
  readonly delivery: number;
}
interface Value {
  readonly version: number;
  readonly value: string | null;
  readonly expires: boolean;
}

const PARTITIONS = 2;
const ABSENT: Value = { version: 0, value: null, expires: false };
const NOTHING = {};

/** Locks, one queue and a few registers, all at once and without a fault: what the checkers take for the truth. */
export class ReferenceService {
  readonly #random: Random;
  readonly #bug: ServiceBug | null;
  readonly #holders = new Map<string, { client: number; token: number; mode: LockModeName }[]>();
  readonly #queue: Stored[] = [];
  readonly #nextMessage: number[] = new Array<number>(PARTITIONS).fill(1);
  /** Every state that a register had, with the index from which it had it. */
  readonly #registers = new Map<string, { index: number; value: Value }[]>();
  #index = 0;
  #token = 100;
  #keyless = 0;
  /** Index of what was done or read last. */
  shownIndex = 0;

  constructor(random: Random, bug: ServiceBug | null) {
    this.#random = random;
    this.#bug = bug;
  }

  /** True now and then, if this is the bug that was planted. */
  #errs(bug: ServiceBug): boolean {
    return this.#bug === bug && this.#random.chance(0.2);
  }

  #logged(): number {
    this.#index += this.#random.between(1, 2);
    this.shownIndex = this.#index;
    return this.#index;
  }

  /** A command that was sent again: an entry without an effect. */
  duplicate(): number {
    return this.#logged();
  }

  acquire(client: number, name: string, mode: LockModeName): AnswerOf<'lockAcquire'> | null {
    this.#logged();
    const holders = this.#holders.get(name) ?? [];
    const own = holders.find((holder) => holder.client === client);
    if (own !== undefined) return null;
    const free =
      holders.length === 0 || (mode === 'shared' && holders.every((holder) => holder.mode === 'shared'));
    if (!free && !this.#errs('double grant')) return null;
    this.#token += this.#random.between(1, 5);
    const token = this.#errs('token falls') ? this.#token - 10 : this.#token;
    this.#holders.set(name, [...holders, { client, token, mode }]);
    return { token };
  }

  release(client: number, name: string, token: number): AnswerOf<'lockRelease'> | null {
    this.#logged();
    const holders = this.#holders.get(name) ?? [];
    const left = holders.filter((holder) => holder.client !== client || holder.token !== token);
    if (left.length === holders.length) return null;
    this.#holders.set(name, left);
    return NOTHING;
  }

  enqueue(payload: string, key: string | null, delayMs: number): AnswerOf<'enqueue'> {
    this.#logged();
    this.#keyless++;
    const partition = (key === null ? this.#keyless : key.length + key.charCodeAt(1)) % PARTITIONS;
    const store = (): number => {
      const message = this.#nextMessage[partition]!++;
      this.#queue.push({
        partition,
        message,
        payload,
        state: delayMs > 0 ? 'delayed' : 'ready',
        delivery: 0,
      });
      return message;
    };
    const message = store();
    if (this.#errs('message enqueued twice')) store();
    if (this.#errs('lost message')) this.#queue.pop();
    return { partition, message };
  }

  receive(max: number): AnswerOf<'receive'> {
    this.#logged();
    const deliveries: DeliveryRecord[] = [];
    const first = this.#random.between(0, PARTITIONS - 1);
    for (let i = 0; i < PARTITIONS; i++) {
      const ready = this.#queue
        .filter(({ partition, state }) => partition === (first + i) % PARTITIONS && state === 'ready')
        .sort((a, b) => a.message - b.message);
      if (this.#errs('newest message first')) ready.reverse();
      for (const stored of ready) {
        if (deliveries.length === max) break;
        stored.state = 'inFlight';
        if (stored.delivery === 0 || !this.#errs('delivered twice with one count')) stored.delivery++;
        if (this.#errs('delivery count skips')) stored.delivery++;
        const { partition, message, delivery, payload } = stored;
        deliveries.push({ partition, message, delivery, enqueuedAtMs: 0, payload });
      }
    }
    return { deliveries };
  }

  ack(receipt: Receipt): AnswerOf<'ack'> | null {
    this.#logged();
    const stored = this.#find(receipt);
    if (stored === null) return null;
    if (this.#errs('acknowledged message comes back')) stored.state = 'ready';
    else this.#queue.splice(this.#queue.indexOf(stored), 1);
    return NOTHING;
  }

  nack(receipt: Receipt): AnswerOf<'nack'> | null {
    this.#logged();
    const stored = this.#find(receipt);
    if (stored === null) return null;
    stored.state = 'ready';
    return NOTHING;
  }

  #find({ partition, message, delivery }: Receipt): Stored | null {
    const found = this.#queue.find((stored) => stored.partition === partition && stored.message === message);
    return found?.state === 'inFlight' && found.delivery === delivery ? found : null;
  }

  depth(): number {
    return this.#queue.length;
  }

  inspect(): AnswerOf<'queueInspect'> {
    this.shownIndex = this.#index;
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => {
      const count = (state: Stored['state']) =>
        this.#queue.filter((stored) => stored.partition === partition && stored.state === state).length;
      return { partition, ready: count('ready'), inFlight: count('inFlight'), delayed: count('delayed') };
    });
    return { partitions };
  }

  put(key: string, value: string, ttlMs: number): AnswerOf<'cachePut'> {
    this.#token++;
    const version = this.#token;
    if (this.#errs('lost write')) this.#logged();
    else this.#set(key, { version, value, expires: ttlMs > 0 });
    return { version };
  }

  remove(key: string): AnswerOf<'cacheDelete'> {
    const existed = this.#current(key).value !== null;
    if (this.#errs('deletion comes back')) this.#logged();
    else this.#set(key, ABSENT);
    return { existed };
  }

  get(key: string, level: ReadLevelName, seen: number): AnswerOf<'cacheGet'> {
    // Any member may answer, and may be behind by as much as the level allows for.
    let from = level === 'any' ? 0 : level === 'session' ? seen : this.#index;
    if (level === 'linearizable' && this.#errs('stale linearizable read')) from = Math.floor(this.#index / 2);
    if (level === 'session' && this.#errs('stale session read')) from = 0;
    const index = this.#random.between(Math.min(from, this.#index), this.#index);
    this.shownIndex = index;
    const states = this.#registers.get(key) ?? [];
    const { version, value } = states.findLast((state) => state.index <= index)?.value ?? ABSENT;
    return { version, value };
  }

  /** Something falls due: a delay, a delivery's visibility, an entry's time to live. */
  timePasses(): void {
    this.#logged();
    const waiting = this.#queue.filter(({ state }) => state !== 'ready');
    if (waiting.length > 0) this.#random.pick(waiting).state = 'ready';
    for (const key of this.#registers.keys()) {
      if (this.#current(key).expires && this.#random.chance(0.3)) this.#set(key, ABSENT);
    }
  }

  #current(key: string): Value {
    return this.#registers.get(key)?.at(-1)?.value ?? ABSENT;
  }

  #set(key: string, value: Value): void {
    const states = this.#registers.get(key);
    const state = { index: this.#logged(), value };
    if (states === undefined) this.#registers.set(key, [state]);
    else states.push(state);
  }
}
