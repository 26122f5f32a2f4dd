import type { BaseLogger } from 'pino';

export type LocalLogger = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>;

const RETRY_MS = 500;

/**
 * Runs `sync` soon after each `poke`, once for many pokes, never inside the write that poked; again after a while
 * when it throws or asks for it.
 */
export class ControlLoop {
  readonly #name: string;
  readonly #logger: LocalLogger;
  /** Answers in how many ms to look again by itself; null: not before the next poke. */
  readonly #sync: () => number | null;
  #scheduled = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(name: string, logger: LocalLogger, sync: () => number | null) {
    this.#name = name;
    this.#logger = logger;
    this.#sync = sync;
  }

  poke(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #run(): void {
    this.#scheduled = false;
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    let againMs: number | null;
    try {
      againMs = this.#sync();
    } catch (error) {
      this.#logger.warn({ err: error, loop: this.#name }, 'will try again');
      againMs = RETRY_MS;
    }
    if (againMs !== null) this.#timer = setTimeout(() => this.poke(), againMs);
  }

  /** Runs each item by itself, so that one that fails holds up no other. True when all went well. */
  each<T>(items: Iterable<T>, work: (item: T) => void): boolean {
    let well = true;
    for (const item of items) {
      try {
        work(item);
      } catch (error) {
        well = false;
        this.#logger.warn({ err: error, loop: this.#name }, 'one object failed, will try again');
      }
    }
    return well;
  }

  /** What `sync` answers after `each`. */
  static again(well: boolean): number | null {
    return well ? null : RETRY_MS;
  }
}
