import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { mutantNamed } from './catalogue.ts';
import { applyMutant } from './mutant.ts';

/*
 * Given to Node by `--import`, before anything of the product is loaded: plants the mutant that SYNCCLUSTER_MUTANT
 * names in the TypeScript sources as they are read. Run with `--conditions=development`, or the sources are not what
 * is loaded; `unplanted` then says so.
 */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const name = process.env['SYNCCLUSTER_MUTANT'] ?? '';
const mutant = name === '' ? null : mutantNamed(name);
const missing = new Set(mutant?.edits.map(({ file }) => file));

/** Files of the mutant that were not loaded so far: a run that ends with one has tested nothing. */
export function unplanted(): readonly string[] {
  return [...missing];
}

if (mutant !== null) {
  const files = new Map([...missing].map((file) => [pathToFileURL(join(ROOT, file)).href, file]));
  registerHooks({
    load(url, context, nextLoad) {
      const file = files.get(url);
      if (file === undefined) return nextLoad(url, context);
      const source = applyMutant(mutant, file, readFileSync(fileURLToPath(url), 'utf8'));
      missing.delete(file);
      return { format: 'module-typescript', source, shortCircuit: true };
    },
  });
}
