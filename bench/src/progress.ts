import type { Operation } from './load/phase.ts';

interface PhaseLabel {
  readonly subject: string;
  readonly operation: Operation | string;
  /** 0: the warm-up. */
  readonly run: number;
}

/** Where the benchmark says how far it is. */
export interface Progress {
  /** `phases`: how many phases this subject will have. */
  begin(subject: string, phases: number): void;
  update(at: PhaseLabel & { completed: number; operations: number | null }): void;
  phaseDone(at: PhaseLabel & { done: number; throughputPerS: number }): void;
  note(text: string): void;
  end(): void;
}

export type ProgressStyle = 'bar' | 'lines' | 'json' | 'none';

export function makeProgress(style: ProgressStyle, out: { write(text: string): unknown }): Progress {
  switch (style) {
    case 'bar':
      return new Bar(out);
    case 'lines':
      return new Lines(out);
    case 'json':
      return new JsonLines(out);
    case 'none':
      return { begin() {}, update() {}, phaseDone() {}, note() {}, end() {} };
  }
}

const BAR_CELLS = 24;

class Bar implements Progress {
  readonly #out: { write(text: string): unknown };
  #phases = 1;
  #done = 0;
  #drawnAtMs = 0;

  constructor(out: { write(text: string): unknown }) {
    this.#out = out;
  }

  begin(_subject: string, phases: number): void {
    this.#phases = phases;
    this.#done = 0;
  }

  update(at: PhaseLabel & { completed: number; operations: number | null }): void {
    if (performance.now() - this.#drawnAtMs < 100) return;
    const within = at.operations === null ? 0 : Math.min(1, at.completed / at.operations);
    this.#draw(this.#done + within, `${describe(at)}  ${at.completed} operations`);
  }

  phaseDone(at: PhaseLabel & { done: number; throughputPerS: number }): void {
    this.#done = at.done;
    this.#draw(at.done, `${describe(at)}  ${Math.round(at.throughputPerS)}/s`);
  }

  note(text: string): void {
    this.#out.write(`\r\u001b[K${text}\n`);
  }

  end(): void {
    this.#out.write('\r\u001b[K');
  }

  #draw(done: number, text: string): void {
    this.#drawnAtMs = performance.now();
    const share = Math.min(1, done / this.#phases);
    const full = Math.round(share * BAR_CELLS);
    const bar = '█'.repeat(full) + '░'.repeat(BAR_CELLS - full);
    this.#out.write(`\r\u001b[K${bar} ${String(Math.floor(share * 100)).padStart(3)} %  ${text}`);
  }
}

class Lines implements Progress {
  readonly #out: { write(text: string): unknown };
  #phases = 1;

  constructor(out: { write(text: string): unknown }) {
    this.#out = out;
  }

  begin(subject: string, phases: number): void {
    this.#phases = phases;
    this.note(`${subject}: ${phases} phases`);
  }

  update(): void {}

  phaseDone(at: PhaseLabel & { done: number; throughputPerS: number }): void {
    this.note(`[${at.done}/${this.#phases}] ${describe(at)}: ${Math.round(at.throughputPerS)}/s`);
  }

  note(text: string): void {
    this.#out.write(`${text}\n`);
  }

  end(): void {}
}

class JsonLines implements Progress {
  readonly #out: { write(text: string): unknown };
  #phases = 1;

  constructor(out: { write(text: string): unknown }) {
    this.#out = out;
  }

  begin(subject: string, phases: number): void {
    this.#phases = phases;
    this.#write({ event: 'begin', subject, phases });
  }

  update(): void {}

  phaseDone(at: PhaseLabel & { done: number; throughputPerS: number }): void {
    this.#write({ event: 'phase', ...at, phases: this.#phases });
  }

  note(text: string): void {
    this.#write({ event: 'note', text });
  }

  end(): void {}

  #write(event: object): void {
    this.#out.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
  }
}

function describe(at: PhaseLabel): string {
  return `${at.subject} · ${at.operation} · ${at.run === 0 ? 'warm-up' : `run ${at.run}`}`;
}
