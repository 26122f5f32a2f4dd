import type { Clock } from './clock.ts';

/** Runs at the end of the turn of the event loop in which it was asked for. */
export interface TurnTask {
  endOfTurn(): void;
}

/**
 * Gathers what one turn produced: first the merged commands are made, then every connection writes once. A task
 * asks only once per turn and may ask again while it runs.
 */
export class Turn {
  readonly #clock: Clock;
  #merges: TurnTask[] = [];
  #flushes: TurnTask[] = [];
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  merge(task: TurnTask): void {
    this.#merges.push(task);
    this.#schedule();
  }

  flush(task: TurnTask): void {
    this.#flushes.push(task);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.defer(this.#run);
  }

  readonly #run = (): void => {
    // A merge may produce further merges: they belong to this turn's write too.
    while (this.#merges.length > 0) {
      const merges = this.#merges;
      this.#merges = [];
      for (const task of merges) task.endOfTurn();
    }
    const flushes = this.#flushes;
    this.#flushes = [];
    this.#scheduled = false;
    for (const task of flushes) task.endOfTurn();
  };
}
