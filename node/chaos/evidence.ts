import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The folder of a run: what it needs while it goes on, and what is to be read when it went wrong. */
export class Evidence {
  readonly dir: string;
  readonly #asked: boolean;
  readonly #nowMs: () => number;

  /** `out` null: a temporary folder. Throws when it holds something. */
  constructor(out: string | null, nowMs: () => number) {
    this.#asked = out !== null;
    this.#nowMs = nowMs;
    if (out === null) {
      this.dir = mkdtempSync(join(tmpdir(), 'synccluster-chaos-'));
      return;
    }
    this.dir = resolve(out);
    mkdirSync(this.dir, { recursive: true });
    if (readdirSync(this.dir).length > 0) throw new Error(`${this.dir} must be empty`);
  }

  path(name: string): string {
    return join(this.dir, name);
  }
  write(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }

  /** A line of the nemesis' log. */
  readonly log = (event: string, fields: Readonly<Record<string, unknown>>): void => {
    const line = JSON.stringify({ worldMs: Math.round(this.#nowMs()), event, ...fields });
    appendFileSync(this.path('nemesis.jsonl'), `${line}\n`);
  };

  /** Volumes that lie elsewhere are copied in, before they go. */
  keepVolume(name: string, from: string): void {
    if (existsSync(from)) cpSync(from, this.path(name), { recursive: true });
  }

  /** Whether something is left to be read. */
  close(keepAll: boolean): boolean {
    if (keepAll) return true;
    if (!this.#asked) {
      rmSync(this.dir, { recursive: true, force: true });
      return false;
    }
    for (const name of readdirSync(this.dir)) {
      if (/^(volume|hosts|small)/.test(name)) rmSync(this.path(name), { recursive: true, force: true });
    }
    return true;
  }
}
