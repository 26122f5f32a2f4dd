import { resolve } from 'node:path';
import { killStrays } from './podRunner.ts';

export interface EndingOptions {
  readonly dir: string;
  /** Says to people what is going on. */
  readonly tell: (line: string) => void;
  /** What becomes of the pods when this program fails unforeseen: ended, or left for the next start to take over. */
  readonly podsAtCrash: 'end' | 'leave';
}

/**
 * Ctrl-C: the first ends everything in order, the second at once. So does a terminal or pipe that nobody reads any
 * more, once. Made before anything is started, so that at any moment nothing is left behind.
 */
export class Ending {
  /** Resolves at the first signal. */
  readonly asked: Promise<void>;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  readonly #work: (() => Promise<void>)[] = [];

  constructor({ dir, tell, podsAtCrash }: EndingOptions) {
    const directory = resolve(dir);
    const abort = new AbortController();
    this.signal = abort.signal;
    this.asked = new Promise((done) => this.signal.addEventListener('abort', () => done()));
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(name, () => {
        if (abort.signal.aborted) {
          killStrays(directory, new Set());
          process.exit(130);
        }
        // First of all: telling may fail.
        abort.abort();
        tell('ending; Ctrl-C again to end at once');
      });
    }
    // Without a listener a line nobody can read would be an uncaught exception, and all would be left running.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => abort.abort());
    const onCrash = (error: unknown): void => {
      if (podsAtCrash === 'end') killStrays(directory, new Set());
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.stderr.write(`${text}\n`);
      if (podsAtCrash === 'leave') {
        process.stderr.write(
          `The operator failed; its members run on. The next start takes them over; npm start -- --stop --dir ${dir} ends them.\n`,
        );
      }
      process.exit(1);
    };
    process.on('uncaughtException', onCrash);
    process.on('unhandledRejection', onCrash);
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
