import { EventHeap, type SimEvent } from './eventHeap.ts';
import { Random } from './random.ts';

/** Events run one after the other in turns of the real event loop, so that every promise reaction runs between. */
const EVENTS_PER_TURN = 200;
/** Far more than any seed needs: something goes round in circles. */
const EVENTS_MAX = 20_000_000;

/** The one time that everything lives in, and what happens when. */
export class World {
  readonly random: Random;
  readonly #heap = new EventHeap();
  #nowMs = 0;
  #events = 0;
  #failure: unknown = null;
  #settle: (() => void) | null = null;

  constructor(seed: number) {
    this.random = new Random(seed, 'world');
  }

  get nowMs(): number {
    return this.#nowMs;
  }
  /** How many have happened. */
  get events(): number {
    return this.#events;
  }
  get planned(): number {
    return this.#heap.size;
  }

  at(timeMs: number, run: () => void): SimEvent {
    return this.#heap.add(Math.max(this.#nowMs, timeMs), run);
  }

  after(delayMs: number, run: () => void): SimEvent {
    return this.#heap.add(this.#nowMs + Math.max(0, delayMs), run);
  }

  /** Runs it once the promise reactions of the present event are through. */
  whenSettled(run: () => void): void {
    this.#settle = run;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve));
  }

  /** Ends the run: something is wrong with the product or with the simulator. The first one counts. */
  fail(error: unknown): void {
    this.#failure ??= error ?? new Error('failed for no reason');
  }
  get failed(): boolean {
    return this.#failure !== null;
  }

  /** Lets the world go on until `isOver`, which is asked after each event. Rejects with what `fail` was told. */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let ended = false;
      const end = (): void => {
        ended = true;
        if (this.#failure === null) resolve();
        else reject(this.#failure);
      };
      const step = (): void => {
        if (ended) return;
        this.#settled();
        if (this.#failure !== null || isOver()) {
          end();
          return;
        }
        const event = this.#heap.take();
        if (event === null) {
          this.fail(new Error('nothing is left to happen'));
          end();
          return;
        }
        this.#nowMs = event.timeMs;
        this.#events += 1;
        if (this.#events > EVENTS_MAX) this.fail(new Error(`${EVENTS_MAX} events have not been enough`));
        try {
          event.run();
        } catch (error) {
          this.fail(error);
        }
      };
      const turn = (): void => {
        if (ended) return;
        for (let i = 0; i < EVENTS_PER_TURN; i++) setImmediate(step);
        setImmediate(turn);
      };
      turn();
    });
  }

  #settled(): void {
    const settle = this.#settle;
    if (settle === null) return;
    this.#settle = null;
    try {
      settle();
    } catch (error) {
      this.fail(error);
    }
  }
}
