import { resolve } from 'node:path';
import { killStrays } from './podRunner.ts';

/**
 * Ctrl-C: the first ends everything in order, the second at once. Made before anything is started, so that at any
 * moment nothing is left behind.
 */
export class Ending {
  /** Resolves at the first signal. */
  readonly asked: Promise<void>;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  readonly #work: (() => Promise<void>)[] = [];
  #signals = 0;

  /** `tell` says to people what is going on. */
  constructor(dir: string, tell: (line: string) => void) {
    const directory = resolve(dir);
    const abort = new AbortController();
    this.signal = abort.signal;
    this.asked = new Promise((done) => {
      const onSignal = (): void => {
        this.#signals += 1;
        if (this.#signals === 1) {
          tell('ending; Ctrl-C again to end at once');
          abort.abort();
          done();
          return;
        }
        killStrays(directory, new Set());
        process.exit(130);
      };
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
    });
  }

  /** To be done at the end, before what was named earlier. */
  last(work: () => Promise<void>): void {
    this.#work.unshift(work);
  }

  /** Throws what failed first, after all the rest was done: a part that fails to end must not keep processes alive. */
  async finish(): Promise<void> {
    const failures: unknown[] = [];
    for (const work of this.#work.splice(0)) {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
