import { basename, dirname } from 'node:path';
import { Inode } from './inode.ts';

type Names = Map<string, Inode>;
type Tree = Map<string, Names>;

interface Change {
  readonly number: number;
  /** Directories whose sync makes it durable. */
  readonly directories: readonly string[];
  readonly apply: (tree: Tree) => void;
}

export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

/**
 * Names of a volume, as programs see them and as they stand on the medium. Directories themselves are durable at once:
 * it is files' names that are tried here.
 */
export class FileTree {
  #seen: Tree = new Map();
  #medium: Tree = new Map();
  #changes: Change[] = [];
  #changed = 0;

  /** How many changes of names are complete: a sync that begins now covers these, and none that follow. */
  get changes(): number {
    return this.#changed;
  }

  makeDirectory(path: string): void {
    const parent = dirname(path);
    if (parent !== path && !this.#seen.has(parent)) this.makeDirectory(parent);
    if (this.#seen.has(path)) return;
    this.#seen.set(path, new Map());
    this.#medium.set(path, new Map());
  }

  list(path: string): string[] {
    const prefix = `${path}/`;
    const below = [...this.#seen.keys()].filter(
      (other) => other.startsWith(prefix) && !other.slice(prefix.length).includes('/'),
    );
    return [...this.#names(path).keys(), ...below.map((other) => other.slice(prefix.length))];
  }

  open(path: string): Inode {
    const inode = this.#seen.get(dirname(path))?.get(basename(path));
    if (inode === undefined) throw systemError('ENOENT', path);
    return inode;
  }

  create(path: string): Inode {
    const inode = new Inode();
    this.#names(dirname(path));
    this.#change([dirname(path)], (tree) => tree.get(dirname(path))?.set(basename(path), inode));
    return inode;
  }

  remove(path: string): void {
    if (!this.#names(dirname(path)).has(basename(path))) return;
    this.#change([dirname(path)], (tree) => tree.get(dirname(path))?.delete(basename(path)));
  }

  rename(from: string, to: string): void {
    this.#names(dirname(to));
    if (this.#seen.has(from)) {
      for (const tree of [this.#seen, this.#medium]) moveDirectory(tree, from, to);
      return;
    }
    const inode = this.open(from);
    this.#change([dirname(from), dirname(to)], (tree) => {
      const names = tree.get(dirname(from));
      if (names?.get(basename(from)) === inode) names.delete(basename(from));
      tree.get(dirname(to))?.set(basename(to), inode);
    });
  }

  /** The first `changes` ones. */
  syncDirectory(path: string, changes: number): void {
    this.#names(path);
    const left: Change[] = [];
    for (const change of this.#changes) {
      if (change.number <= changes && change.directories.includes(path)) change.apply(this.#medium);
      else left.push(change);
    }
    this.#changes = left;
  }

  /** Whether a power failure would leave this name of the file. */
  isDurable(directory: string, inode: Inode): boolean {
    for (const other of this.#medium.get(directory)?.values() ?? []) if (other === inode) return true;
    return false;
  }

  /** `survives`: which changes of names that were not synced had reached the medium all the same. */
  powerFailure(survives: () => boolean): void {
    for (const change of this.#changes) if (survives()) change.apply(this.#medium);
    this.#changes = [];
    this.#seen = new Map([...this.#medium].map(([path, names]) => [path, new Map(names)]));
  }

  *files(): Generator<readonly [path: string, inode: Inode]> {
    for (const [directory, names] of this.#seen) {
      for (const [name, inode] of names) yield [`${directory}/${name}`, inode];
    }
  }

  #names(path: string): Names {
    const names = this.#seen.get(path);
    if (names === undefined) throw systemError('ENOENT', path);
    return names;
  }

  #change(directories: readonly string[], apply: (tree: Tree) => void): void {
    apply(this.#seen);
    this.#changed += 1;
    this.#changes.push({ number: this.#changed, directories, apply });
  }
}

function moveDirectory(tree: Tree, from: string, to: string): void {
  for (const [path, names] of [...tree]) {
    if (path !== from && !path.startsWith(`${from}/`)) continue;
    tree.delete(path);
    tree.set(to + path.slice(from.length), names);
  }
}
