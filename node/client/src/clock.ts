/** Time and chance, injected so that tests run in virtual time. */
export interface Clock {
  /** Milliseconds that never jump; they may stand still while the machine sleeps. */
  monotonicMs(): number;
  /** Milliseconds since the epoch; they may jump. */
  wallMs(): number;
  after(delayMs: number, run: () => void): Timer;
  /** Runs once all events that are ready now have been handled. */
  defer(run: () => void): void;
  /** 0 ≤ x < 1. */
  random(): number;
}
export interface Timer {
  cancel(): void;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(delayMs: number, run: () => void) {
    this.#handle = setTimeout(run, delayMs);
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, run) => new SystemTimer(delayMs, run),
  // The check phase comes after every socket that was readable: the frames of all their callbacks share a write.
  defer: (run) => {
    setImmediate(run);
  },
  random: () => Math.random(),
};
