import type { LogIndex } from '@synccluster/client/protocol';
import type { ReadReady } from './types.ts';

const NONE: readonly ReadReady[] = [];

/**
 * Batched ReadIndex (thesis §6.4). All reads asked for before the heartbeats of a round leave share that round; it
 * is confirmed by a quorum answering a heartbeat of that round or a later one, sent after the reads had come in.
 *
 * Rounds are counted over the life of the process, never per leadership and never by a caller: a number that came
 * again could be confirmed by an answer to its first use.
 */
export class ReadRounds {
  /** The last round whose heartbeats have been made. */
  started = 0;
  private asked = false;
  private waiting: ReadReady[] = [];
  private released: ReadReady[] = [];

  ask(): number {
    this.asked = true;
    return this.started + 1;
  }

  /** Whether a round begins; `commit` covers every write acknowledged before its reads were asked for. */
  begin(commit: number): boolean {
    if (!this.asked) return false;
    this.asked = false;
    this.started += 1;
    this.waiting.push({ round: this.started, index: commit as LogIndex });
    return true;
  }

  get pending(): boolean {
    return this.waiting.length > 0;
  }

  /** A quorum has confirmed `round` and with it all before. */
  confirm(round: number): void {
    let count = 0;
    while (count < this.waiting.length && this.waiting[count]!.round <= round) count += 1;
    if (count > 0) this.released.push(...this.waiting.splice(0, count));
  }

  takeReleased(): readonly ReadReady[] {
    if (this.released.length === 0) return NONE;
    const released = this.released;
    this.released = [];
    return released;
  }

  /** Leadership is lost. What was confirmed before stays so: its answer was right when it was asked for. */
  drop(): void {
    // A number already returned must not be given out again.
    if (this.asked) this.started += 1;
    this.asked = false;
    this.waiting = [];
  }
}
