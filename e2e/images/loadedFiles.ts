import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export interface Loaded {
  /** Files of the workspace, absolute. */
  readonly files: ReadonlySet<string>;
  /** Names of the packages they import. */
  readonly packages: ReadonlySet<string>;
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g;
const FILE_BESIDE = /new URL\(\s*(['"])(\.{1,2}\/[^'"\n]+\.js)\1\s*,\s*import\.meta\.url/g;
const COMPUTED_IMPORT = /\bimport\s*\(\s*[^'"\s)]/;

/**
 * What a compiled program can ever load: imports, static or not, and files it names beside itself (the code of
 * processes it forks). Only what the compiler writes has to be understood, and what is not understood is refused.
 */
export function loadedFiles(workspace: string, main: string): Loaded {
  const files = new Set<string>();
  const packages = new Set<string>();
  const add = (file: string): void => {
    if (files.has(file)) return;
    if (!existsSync(file)) throw new Error(`${file} does not exist: run npm run build`);
    files.add(file);
    const text = readFileSync(file, 'utf8');
    if (COMPUTED_IMPORT.test(text)) throw new Error(`${file} imports what cannot be told before it runs`);
    for (const [, , specifier = ''] of text.matchAll(IMPORT)) {
      if (specifier.startsWith('node:')) continue;
      if (specifier.startsWith('.')) add(join(dirname(file), specifier));
      else packages.add(packageOf(specifier));
    }
    for (const [, , path = ''] of text.matchAll(FILE_BESIDE)) {
      const beside = join(dirname(file), path);
      // Another workspace's program is not there in the image, and is asked for outside a cluster alone.
      if (!relative(workspace, beside).startsWith('..')) add(beside);
    }
  };
  add(join(workspace, main));
  return { files, packages };
}

function packageOf(specifier: string): string {
  const [first = '', second = ''] = specifier.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}
