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
import { type Product, productNamed } from './products.ts';

interface Manifest {
  readonly bin?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Folders of a package that no program loads. Only at its top: deeper ones may be code. */
const UNNEEDED_FOLDERS = new Set(['.github', 'benchmark', 'benchmarks', 'docs', 'example', 'examples', 'test', 'tests']);
/** Types, maps from and to sources, and texts; licences stay. */
const UNNEEDED_FILE = /(?:\.[cm]?ts|\.map|\.tsbuildinfo[^/]*|\.(?:test|spec)\.[cm]?js|\.markdown|\.md)$/;
const LICENCE = /^(?:licen[cs]e|notice|copying)/i;

/**
 * Writes to `out` what an image holds: the compiled program and the packages it needs when it runs, at the places they
 * have in the repository, and `bin/` with its name. `root` is a repository with packages installed and compiled.
 */
export function assemble(root: string, product: Product, out: string): { readonly bytes: number } {
  if (existsSync(out) && readdirSync(out).length > 0) throw new Error(`${out} is not empty`);
  let bytes = 0;
  const copyTree = (from: string, keep: (path: string, isFolder: boolean) => boolean, path = ''): void => {
    for (const entry of readdirSync(join(from, path), { withFileTypes: true })) {
      const inner = path === '' ? entry.name : `${path}/${entry.name}`;
      if (!keep(inner, entry.isDirectory())) continue;
      if (entry.isDirectory()) copyTree(from, keep, inner);
      else if (entry.isFile()) {
        const source = join(from, inner);
        const target = join(out, relative(root, source));
        mkdirSync(dirname(target), { recursive: true });
        copyFileSync(source, target);
        bytes += statSync(target).size;
      }
    }
  };

  const seen = new Set<string>();
  const addPackage = (folder: string, leftOut: Product['leftOut']): void => {
    if (seen.has(folder)) return;
    seen.add(folder);
    const isOurs = !relative(root, folder).split('/').includes('node_modules');
    copyTree(folder, isOurs ? keepOurs(folder, leftOut) : keepOthers);
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(folder);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (name.startsWith('@types/') || leftOut.dependencies.includes(name)) continue;
      const link = findPackage(root, folder, name);
      if (link === null) {
        // One that is optional is for other machines.
        if (name in optionalDependencies) continue;
        throw new Error(`${name}, which ${relative(root, folder)} needs, is not installed: run npm ci`);
      }
      const target = realpathSync(link);
      addPackage(target, { folders: [], dependencies: [] });
      const placed = join(out, relative(root, link));
      if (target === link || existsSync(placed)) continue;
      mkdirSync(dirname(placed), { recursive: true });
      symlinkSync(relative(dirname(placed), join(out, relative(root, target))), placed);
    }
  };
  const workspace = join(root, product.workspace);
  addPackage(workspace, product.leftOut);

  const main = manifestOf(workspace).bin?.[product.program];
  if (main === undefined) throw new Error(`${product.workspace}/package.json has no program ${product.program}`);
  const entry = join(out, product.workspace, main);
  chmodSync(entry, 0o755);
  mkdirSync(join(out, 'bin'));
  symlinkSync(relative(join(out, 'bin'), entry), join(out, 'bin', product.program));
  return { bytes };
}

function keepOurs(folder: string, leftOut: Product['leftOut']): (path: string, isFolder: boolean) => boolean {
  if (!existsSync(join(folder, 'dist'))) throw new Error(`${folder} is not compiled: run npm run build`);
  const isLeftOut = (path: string) => leftOut.folders.includes(path.split('/')[1] ?? '');
  return (path, isFolder) => {
    if (path === 'package.json') return true;
    if (path !== 'dist' && !path.startsWith('dist/')) return false;
    if (isFolder) return !isLeftOut(path);
    if (!path.endsWith('.js') || UNNEEDED_FILE.test(path)) return false;
    refuseImports(join(folder, path), leftOut);
    return true;
  };
}

/** What is left out must not be missed, and least of all after the image runs. */
function refuseImports(file: string, { folders, dependencies }: Product['leftOut']): void {
  const text = readFileSync(file, 'utf8');
  for (const [, specifier = ''] of text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"\n]+)['"]/g)) {
    const isMissed =
      dependencies.some((name) => specifier === name || specifier.startsWith(`${name}/`)) ||
      (specifier.startsWith('.') && folders.some((folder) => specifier.split('/').includes(folder)));
    if (isMissed) throw new Error(`${file} imports ${specifier}, which the image leaves out`);
  }
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
