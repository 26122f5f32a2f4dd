import type { Clock, Timer } from '@synccluster/client/clock';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** How the clocks of one machine run. */
export interface ClockPlan {
  /** Of both clocks, against the world's time: 1 is true. */
  readonly rate: number;
  /** What the wall clock is ahead of the world by. */
  readonly wallOffsetMs: number;
  /** Until what was deferred runs: how long the turns of this process's event loop are. */
  readonly turnMs: number;
}

/** Where an event comes from: after a stall, timers fire before what waits in the sockets is read. */
export type EventSource = 'timer' | 'io' | 'deferred';

/** 2025-07-20; any will do. */
const EPOCH_MS = 1_753_000_000_000;

/**
 * One process: its own clocks, timers and turns of the event loop. What it does to the world counts as an effect, and
 * it can die between any two of them: code that still runs then does nothing any more.
 */
export class SimProcess implements Clock {
  readonly name: string;
  readonly world: World;
  readonly chance: Random;
  readonly #plan: ClockPlan;
  readonly #bornMs: number;
  readonly #bootMs: number;
  #wallShiftMs = 0;
  #alive = true;
  #paused = false;
  #held: { readonly source: EventSource; readonly run: () => void }[] = [];
  #effectsLeft = Number.POSITIVE_INFINITY;
  #diedOfEffects: () => void = () => {};
  #silent = false;
  readonly #onDeath: (why: string) => void;
  readonly #onUncaught: (error: unknown) => void;
  /** Told after each event that ran here, and the promise reactions that followed. */
  onEvent: (source: EventSource) => void = () => {};
  /** Ends sockets and the like at once, when it dies. */
  readonly whenDead = new Set<() => void>();

  constructor(
    world: World,
    options: {
      readonly name: string;
      readonly random: Random;
      readonly clock: ClockPlan;
      readonly onDeath: (why: string) => void;
      readonly onUncaught: (error: unknown) => void;
    },
  ) {
    this.world = world;
    this.name = options.name;
    this.chance = options.random;
    this.#plan = options.clock;
    this.#bornMs = world.nowMs;
    // A monotonic clock counts from some start of the machine, not of the world.
    this.#bootMs = options.random.between(1_000, 10_000_000);
    this.#onDeath = options.onDeath;
    this.#onUncaught = options.onUncaught;
  }

  get alive(): boolean {
    return this.#alive;
  }
  get paused(): boolean {
    return this.#paused;
  }

  monotonicMs(): number {
    return this.#bootMs + (this.world.nowMs - this.#bornMs) * this.#plan.rate;
  }

  wallMs(): number {
    const { rate, wallOffsetMs } = this.#plan;
    return Math.floor(EPOCH_MS + this.world.nowMs * rate + wallOffsetMs + this.#wallShiftMs);
  }

  /** Somebody sets the wall clock. */
  shiftWall(byMs: number): void {
    this.#wallShiftMs += byMs;
  }

  random(): number {
    return this.chance.unit();
  }

  after(delayMs: number, run: () => void): Timer {
    // Node's timers are never shorter.
    const event = this.world.after(Math.max(1, delayMs) / this.#plan.rate, () => this.deliver('timer', fire));
    let cancelled = false;
    // One that is due while the process stands still may be cancelled by what runs before it.
    const fire = (): void => {
      if (!cancelled) run();
    };
    return {
      cancel: () => {
        cancelled = true;
        event.cancelled = true;
      },
    };
  }

  defer(run: () => void): void {
    this.world.after(this.chance.unit() * this.#plan.turnMs, () => this.deliver('deferred', run));
  }

  /** Lets something happen to this process: now, or when it goes on. */
  deliver(source: EventSource, run: () => void): void {
    if (!this.#alive) return;
    if (this.#paused) this.#held.push({ source, run });
    else this.#execute(source, run);
  }

  /** A call from outside, such as an HTTP request: what happens is an event of this process. */
  call<T>(work: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.world.after(this.chance.between(0.1, 2), () => {
        if (!this.#alive) {
          reject(new Error(`${this.name} is not there`));
          return;
        }
        const died = (): void => reject(new Error(`${this.name} died`));
        this.whenDead.add(died);
        this.deliver('io', () => {
          Promise.resolve()
            .then(work)
            .then(resolve, reject)
            .finally(() => this.whenDead.delete(died));
        });
      });
    });
  }

  /** Counts an effect; false: the process is dead, and nothing may come of it. */
  effect(): boolean {
    if (!this.#alive) return false;
    this.#effectsLeft -= 1;
    if (this.#effectsLeft >= 0) return true;
    this.#diedOfEffects();
    this.die('killed between two effects');
    return false;
  }

  /** Dies when it has had so many more effects; `died` is told when that is what it died of. */
  dieAfterEffects(count: number, died: () => void = () => {}): void {
    this.#effectsLeft = count;
    this.#diedOfEffects = died;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    for (const source of ['timer', 'io', 'deferred'] as const) {
      for (const event of held) {
        if (event.source === source) this.world.after(0, () => this.deliver(source, event.run));
      }
    }
  }

  /** `silently`: with its machine, so that nobody is told. */
  die(why: string, silently = false): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#silent = silently;
    this.#held = [];
    for (const end of this.whenDead) end();
    this.whenDead.clear();
    this.world.after(0, () => this.#onDeath(why));
  }
  get diedSilently(): boolean {
    return this.#silent;
  }

  #execute(source: EventSource, run: () => void): void {
    try {
      run();
    } catch (error) {
      if (this.#alive) this.#onUncaught(error);
    }
    this.world.whenSettled(() => this.onEvent(source));
  }
}
