/** Seeded randomness: the same seed gives the same sequence on every machine. Generator: sfc32. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** `seed` and `label` together choose the sequence. */
  constructor(seed: number, label = '') {
    let hash = mix(seed | 0, Math.floor(seed / 0x1_0000_0000) | 0);
    for (let i = 0; i < label.length; i++) hash = mix(hash, label.charCodeAt(i));
    this.#a = mix(hash, 1);
    this.#b = mix(hash, 2);
    this.#c = mix(hash, 3);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** An independent sequence: what is drawn from it moves nothing here but one step. */
  split(label: string): Random {
    return new Random(this.uint32() * 0x10_0000 + (this.uint32() >>> 12), label);
  }

  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 ≤ x < 1, with 53 bits. */
  unit(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** 0 ≤ n < below. */
  below(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** from ≤ x < to. */
  between(from: number, to: number): number {
    return from + this.unit() * (to - from);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.unit() < probability;
  }

  /** Small values often, large ones rarely: uniform in the logarithm. Both bounds above 0. */
  logBetween(from: number, to: number): number {
    return from * (to / from) ** this.unit();
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    for (let i = left.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [left[i], left[j]] = [left[j] as T, left[i] as T];
    }
    return left;
  }
}

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x9e37_79b1);
  h = Math.imul(h ^ (h >>> 15), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) | 0;
}
