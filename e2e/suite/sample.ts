import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { ROOT } from '../images/build.ts';

/** The examples as they stand, but in another namespace. */
export class Samples {
  readonly #dir: string;

  constructor(namespace: string) {
    this.#dir = mkdtempSync(join(tmpdir(), 'synccluster-samples-'));
    for (const name of ['cluster', 'benchmark']) {
      const text = readFileSync(join(ROOT, `examples/${name}.yaml`), 'utf8');
      const moved = text.replace('  namespace: default\n', `  namespace: ${namespace}\n`);
      if (moved === text) throw new Error(`examples/${name}.yaml names no namespace`);
      writeFileSync(join(this.#dir, `${name}.yaml`), moved);
    }
  }

  /** As the steps of `npm run kind` take it: from the repository's root. */
  pathOf(name: 'cluster' | 'benchmark'): string {
    return relative(ROOT, join(this.#dir, `${name}.yaml`));
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
