import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface LinkPlan {
  readonly minMs: number;
  readonly maxMs: number;
  /** A lost packet costs the stream a retransmission. */
  readonly retransmitChance: number;
  /** Streams keep no boundaries: how often what was written at once arrives in two parts. */
  readonly splitChance: number;
}

const RETRANSMIT_MS = 200;

/** One direction between two machines. */
export class Link {
  readonly #world: World;
  readonly #random: Random;
  readonly #plan: LinkPlan;
  /** Cuts that last: above zero nothing passes, and what is sent waits for the system to send it again. */
  #cuts = 0;
  /** On top of the usual delay. */
  clogMs = 0;
  /** In order. What comes while anything waits goes behind it: a stream is never torn apart. */
  #waiting: (() => void)[] = [];

  constructor(world: World, random: Random, plan: LinkPlan) {
    this.#world = world;
    this.#random = random;
    this.#plan = plan;
  }

  get blocked(): boolean {
    return this.#cuts > 0;
  }

  block(): void {
    this.#cuts += 1;
  }

  /** Ends one cut; the longest of several decides. */
  unblock(): void {
    if (this.#cuts === 0) return;
    this.#cuts -= 1;
    if (this.#cuts === 0) this.#flow();
  }

  heal(): void {
    const wasCut = this.blocked;
    this.#cuts = 0;
    this.clogMs = 0;
    if (wasCut) this.#flow();
  }

  #flow(): void {
    if (this.#waiting.length === 0) return;
    // The systems at both ends send again when their timers say so.
    this.#world.after(this.#random.between(1, 1_000), () => {
      if (this.blocked) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const arrive of waiting) arrive();
    });
  }

  delayMs(): number {
    const { minMs, maxMs, retransmitChance } = this.#plan;
    const usual = this.#random.between(minMs, maxMs) + this.clogMs;
    return this.#random.chance(retransmitChance) ? usual + RETRANSMIT_MS : usual;
  }

  /** Brings something over, behind what arrives at `notBeforeMs`; returns when it arrives if nothing comes between. */
  carry(notBeforeMs: number, arrive: () => void): number {
    const at = Math.max(notBeforeMs, this.#world.nowMs + this.delayMs());
    this.#world.at(at, () => {
      if (this.blocked || this.#waiting.length > 0) this.#waiting.push(arrive);
      else arrive();
    });
    return at;
  }

  parts(bytes: Buffer): readonly Buffer[] {
    if (bytes.length < 2 || !this.#random.chance(this.#plan.splitChance)) return [bytes];
    const cut = 1 + this.#random.below(bytes.length - 1);
    return [bytes.subarray(0, cut), bytes.subarray(cut)];
  }
}
