/** Kept between two drains; older ones give way. */
const KEPT = 4096;

/** Durations of the latest syncs in nanoseconds. */
export class SyncTimes {
  #times: number[] = [];
  #oldest = 0;

  add(nanoseconds: number): void {
    if (this.#times.length < KEPT) {
      this.#times.push(nanoseconds);
    } else {
      this.#times[this.#oldest] = nanoseconds;
      this.#oldest = (this.#oldest + 1) % KEPT;
    }
  }

  /** Oldest first. */
  drain(): number[] {
    const times = [...this.#times.slice(this.#oldest), ...this.#times.slice(0, this.#oldest)];
    this.#times = [];
    this.#oldest = 0;
    return times;
  }
}
