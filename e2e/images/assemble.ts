import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { loadedFiles } from './loadedFiles.ts';
import { type Product, productNamed } from './products.ts';

interface Manifest {
  readonly name?: string;
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Folders of a package that no program loads. Only at its top: deeper ones may be code. */
const UNNEEDED_FOLDERS = new Set([
  '.github',
  'benchmark',
  'benchmarks',
  'docs',
  'example',
  'examples',
  'test',
  'tests',
]);
/** Types, maps of sources, tests and texts; licences stay. */
const UNNEEDED_FILE = /(?:\.[cm]?ts|\.map|\.tsbuildinfo[^/]*|[._](?:test|spec)\.[cm]?js|\.markdown|\.md)$/;
const LICENCE = /^(?:licen[cs]e|notice|copying)/i;

/**
 * Writes to `out` what an image holds: the compiled program and the packages it needs when it runs, at the places they
 * have in the repository, and `bin/` with its name. `root` is a repository with packages installed and compiled.
 */
export function assemble(root: string, product: Product, out: string): { readonly bytes: number } {
  if (existsSync(out) && readdirSync(out).length > 0) throw new Error(`${out} is not empty`);
  let bytes = 0;
  const placeOf = (path: string) => join(out, relative(root, path));
  const copyFile = (file: string): void => {
    mkdirSync(dirname(placeOf(file)), { recursive: true });
    copyFileSync(file, placeOf(file));
    bytes += statSync(file).size;
  };
  const copyFolder = (
    folder: string,
    keep: (path: string, isFolder: boolean) => boolean,
    path = '',
  ): void => {
    for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`;
      if (!keep(inner, entry.isDirectory())) continue;
      if (entry.isDirectory()) copyFolder(folder, keep, inner);
      else if (entry.isFile()) copyFile(join(folder, inner));
    }
  };

  const seen = new Set<string>();
  const addPackage = (folder: string): void => {
    if (seen.has(folder)) return;
    seen.add(folder);
    const isOurs = !relative(root, folder).split('/').includes('node_modules');
    copyFolder(folder, isOurs ? keepOurs(folder) : keepOthers);
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      // Types, by the habit of some packages.
      if (!name.startsWith('@types/')) need(folder, name, name in optionalDependencies);
    }
  };
  const need = (folder: string, name: string, isOptional: boolean): void => {
    const link = findPackage(root, folder, name);
    if (link === null) {
      // What is optional is for other machines.
      if (isOptional) return;
      throw new Error(`${name}, which ${relative(root, folder)} needs, is not installed: run npm ci`);
    }
    const target = realpathSync(link);
    addPackage(target);
    if (target === link || existsSync(placeOf(link))) return;
    mkdirSync(dirname(placeOf(link)), { recursive: true });
    symlinkSync(relative(dirname(placeOf(link)), placeOf(target)), placeOf(link));
  };

  const workspace = join(root, product.workspace);
  const { bin = {}, dependencies = {} } = manifestOf(workspace);
  const main = bin[product.program];
  if (main === undefined)
    throw new Error(`${product.workspace}/package.json has no program ${product.program}`);
  // Not the whole workspace: the operator's local mode, for one, would bring the member and the load generator along.
  const { files, packages } = loadedFiles(workspace, main);
  for (const file of [join(workspace, 'package.json'), ...files]) copyFile(file);
  for (const name of packages) {
    if (!(name in dependencies))
      throw new Error(`${product.workspace} imports ${name}, but does not depend on it`);
    need(workspace, name, false);
  }
  const entry = placeOf(join(workspace, main));
  chmodSync(entry, 0o755);
  mkdirSync(join(out, 'bin'));
  symlinkSync(relative(join(out, 'bin'), entry), join(out, 'bin', product.program));
  return { bytes };
}

/** Of a workspace that another one depends on: what is compiled from sources that still exist. */
function keepOurs(folder: string): (path: string, isFolder: boolean) => boolean {
  return (path, isFolder) => {
    if (path === 'package.json' || path === 'dist') return true;
    const source = /^dist\/(.*)\.js$/.exec(path)?.[1];
    if (source !== undefined) return existsSync(join(folder, 'src', `${source}.ts`));
    return isFolder && path.startsWith('dist/');
  };
}

function keepOthers(path: string, isFolder: boolean): boolean {
  const [top = '', ...deeper] = path.split('/');
  if (top === 'node_modules') return false;
  if (isFolder) return deeper.length > 0 || !UNNEEDED_FOLDERS.has(top);
  return !UNNEEDED_FILE.test(path) || LICENCE.test(path.split('/').at(-1) ?? '');
}

/** Where Node would look for it, up to the root. */
function findPackage(root: string, from: string, name: string): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === root || folder === dirname(folder)) return null;
  }
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

// The Dockerfiles run it, where the repository is the working directory.
if (import.meta.main) {
  const [name = '', out = ''] = process.argv.slice(2);
  try {
    if (out === '') throw new Error('usage: node e2e/images/assemble.ts operator|node|bench FOLDER');
    assemble(process.cwd(), productNamed(name), join(process.cwd(), out));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
