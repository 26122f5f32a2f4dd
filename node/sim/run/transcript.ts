import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Observation } from '../history/observations.ts';

/** What happened, one line an event worth reading. Equal runs give equal bytes, and one hash tells. */
export class Transcript {
  readonly #hash = createHash('sha256');
  readonly #fd: number | null;
  readonly #nowMs: () => number;
  #lines: string[] = [];
  #count = 0;

  /** `path`: where it is written; null: only its hash is wanted. */
  constructor(path: string | null, nowMs: () => number) {
    this.#fd = path === null ? null : openSync(path, 'w');
    this.#nowMs = nowMs;
  }

  get lines(): number {
    return this.#count;
  }

  note(line: string): void {
    this.#lines.push(`${this.#nowMs().toFixed(3).padStart(12)} ${line}\n`);
    this.#count += 1;
    if (this.#lines.length >= 1_000) this.#flush();
  }

  show(observation: Observation): void {
    this.note(lineOf(observation));
  }

  /** Closes it, and gives its hash. */
  end(): string {
    this.#flush();
    if (this.#fd !== null) closeSync(this.#fd);
    return this.#hash.digest('hex').slice(0, 32);
  }

  #flush(): void {
    const text = this.#lines.join('');
    this.#lines = [];
    this.#hash.update(text);
    if (this.#fd !== null) writeSync(this.#fd, text);
  }
}

function lineOf(shown: Observation): string {
  const { kind, member } = shown;
  const group = 'group' in shown ? ` ${shown.group}` : '';
  return `${member}${group} ${kind} ${detailsOf(shown)}`;
}

function detailsOf(shown: Observation): string {
  switch (shown.kind) {
    case 'started':
      return `at ${shown.ordinal}`;
    case 'runsAs':
      return `level ${shown.level}`;
    case 'levelRaised':
      return `${shown.index} to ${shown.level} members ${shown.members.join(' ')}`;
    case 'stopped':
      return shown.why;
    case 'restored':
      return `term ${shown.term} vote ${shown.vote} snapshot ${shown.snapshotIndex} entries ${shown.entries.length}`;
    case 'role':
      return `${shown.role} term ${shown.term} voters ${shown.voters.join(' ')}`;
    case 'voted':
      return `for ${shown.vote} term ${shown.term}`;
    case 'appended': {
      const first = shown.entries[0];
      const last = shown.entries.at(-1);
      return `${first?.index ?? 0}-${last?.index ?? 0} term ${last?.term ?? 0} hash ${last?.hash ?? 0}`;
    }
    case 'durable':
      return String(shown.index);
    case 'committed':
      return `${shown.index} term ${shown.term}`;
    case 'applied':
      return shown.stateHash === null ? String(shown.index) : `${shown.index} state ${shown.stateHash}`;
    case 'installed':
      return `${shown.index} term ${shown.term} state ${shown.stateHash}`;
    case 'compacted':
      return `from ${shown.firstIndex}`;
    case 'configuration':
      return `${shown.index} voters ${shown.voters.join(' ')} learners ${shown.learners.join(' ')}`;
    case 'acknowledged':
      return `${shown.index} durable ${shown.durable.map((one) => `${one.member}:${one.index}`).join(' ')}`;
    case 'queueConfigured':
      return `${shown.queue} generation ${shown.generation}`;
    default:
      return '';
  }
}
