import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { KubeError } from '../runtime/kube.ts';
import { isObject, type JsonObject, stringAt } from './json.ts';
import type { LocalRuntime } from './localRuntime.ts';
import { writeFileAtomically } from './objectFiles.ts';

const SETTLE_MS = 100;
const POLL_MS = 1000;

/** Says what the user should know, one line each. */
export interface Told {
  info(line: string): void;
  problem(line: string): void;
}

/** The objects of a file of YAML documents; throws with one clear line. Lists (`kind: List`) are unfolded. */
export function parseManifests(text: string): JsonObject[] {
  const objects: JsonObject[] = [];
  for (const document of parseAllDocuments(text)) {
    const error = document.errors[0];
    if (error !== undefined) throw new Error(error.message.split('\n')[0]?.replace(/:$/, '') ?? 'not YAML');
    const value: unknown = document.toJS();
    if (value === null || value === undefined) continue;
    if (!isObject(value)) throw new Error('a document is not an object');
    const items = value['kind'] === 'List' && Array.isArray(value['items']) ? value['items'] : [value];
    for (const item of items) {
      if (!isObject(item) || typeof item['apiVersion'] !== 'string' || typeof item['kind'] !== 'string') {
        throw new Error('an object without apiVersion or kind');
      }
      if (stringAt(item, 'metadata', 'name') === undefined)
        throw new Error(`${item['kind']} without metadata.name`);
      objects.push(item);
    }
  }
  return objects;
}

interface Applied {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Keeps the store as the files say. An edit that cannot be read or is refused is told of and changes nothing; what a
 * readable file no longer names is deleted. What came from the files is remembered beside the objects, so what was
 * taken out of them while nothing ran goes at the next start.
 */
export class ManifestFiles {
  readonly #runtime: LocalRuntime;
  readonly #files: readonly string[];
  readonly #told: Told;
  readonly #memory: string;
  readonly #contents = new Map<string, string>();
  #remembered = '';
  readonly #watchers: FSWatcher[] = [];
  #applied: Map<string, Applied[]>;
  #settle: NodeJS.Timeout | null = null;
  #poll: NodeJS.Timeout | null = null;

  constructor(runtime: LocalRuntime, files: readonly string[], told: Told) {
    this.#runtime = runtime;
    this.#files = files.map((file) => resolve(file));
    this.#told = told;
    this.#memory = join(runtime.directory, 'applied.json');
    this.#applied = readMemory(this.#memory);
  }

  /** Applies all files; throws when one cannot be read or holds something that is refused. */
  applyAll(): void {
    const problems: string[] = [];
    for (const file of this.#files) problems.push(...this.#follow(file));
    // Files that were given the last time and are not now.
    for (const [file, objects] of this.#applied) {
      if (!this.#files.includes(file)) {
        this.#applied.delete(file);
        for (const object of objects) this.#delete(object);
      }
    }
    this.#remember();
    if (problems.length > 0) throw new Error(problems.join('\n'));
  }

  watch(): void {
    for (const folder of new Set(this.#files.map((file) => dirname(file)))) {
      try {
        // The folder, for editors put a new file in the place of the old one.
        this.#watchers.push(
          watch(folder, { persistent: false }, () => this.#soon()).on('error', () => undefined),
        );
      } catch {
        // The poll below sees every change too, only later.
      }
    }
    this.#poll = setInterval(() => this.#check(), POLL_MS);
  }

  stop(): void {
    for (const watcher of this.#watchers) watcher.close();
    if (this.#settle !== null) clearTimeout(this.#settle);
    if (this.#poll !== null) clearInterval(this.#poll);
  }

  #soon(): void {
    if (this.#settle !== null) clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#check(), SETTLE_MS);
  }

  #check(): void {
    for (const file of this.#files) for (const problem of this.#follow(file)) this.#told.problem(problem);
    this.#remember();
  }

  /** What could not be done, one line each. The same content is looked at once. */
  #follow(file: string): string[] {
    const shown = basename(file);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if (this.#contents.get(file) === '') return [];
      this.#contents.set(file, '');
      return [
        `${shown}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : String(error)}`,
      ];
    }
    if (this.#contents.get(file) === text) return [];
    this.#contents.set(file, text);
    let objects: JsonObject[];
    try {
      objects = parseManifests(text);
      // Some editors empty a file before they write it: nothing at all is no wish to delete everything.
      if (objects.length === 0) throw new Error('holds no object; ignored');
    } catch (error) {
      return [`${shown}: ${error instanceof Error ? error.message : String(error)}`];
    }
    return this.#apply(file, shown, objects);
  }

  #apply(file: string, shown: string, objects: readonly JsonObject[]): string[] {
    const problems: string[] = [];
    const named: Applied[] = [];
    for (const object of objects) {
      const name = stringAt(object, 'metadata', 'name') ?? '';
      const identity: Applied = {
        apiVersion: String(object['apiVersion']),
        kind: String(object['kind']),
        namespace: stringAt(object, 'metadata', 'namespace') ?? 'default',
        name,
      };
      named.push(identity);
      try {
        this.#runtime.applyManifest(object);
        this.#told.info(`${shown}: ${identity.kind} ${identity.namespace}/${name} applied`);
      } catch (error) {
        const text = error instanceof KubeError || error instanceof TypeError ? error.message : String(error);
        problems.push(`${shown}: ${text}`);
      }
    }
    const before = this.#applied.get(file) ?? [];
    this.#applied.set(file, named);
    for (const old of before) if (!this.#isNamed(old)) this.#delete(old);
    return problems;
  }

  /** In any file: an object may move from one to another. */
  #isNamed(object: Applied): boolean {
    return [...this.#applied.values()].flat().some((other) => identityOf(other) === identityOf(object));
  }

  #delete(object: Applied): void {
    const kind = this.#runtime.store.kinds.ofKind(object.apiVersion, object.kind);
    if (kind === undefined || this.#isNamed(object)) return;
    this.#runtime.store.delete(kind, { namespace: object.namespace, name: object.name });
    this.#told.info(`${object.kind} ${object.namespace}/${object.name} deleted: no file names it any more`);
  }

  #remember(): void {
    const text = JSON.stringify([...this.#applied]);
    if (text === this.#remembered) return;
    writeFileAtomically(this.#memory, text);
    this.#remembered = text;
  }
}

function identityOf(object: Applied): string {
  return JSON.stringify([object.apiVersion, object.kind, object.namespace, object.name]);
}

function readMemory(path: string): Map<string, Applied[]> {
  try {
    return new Map(JSON.parse(readFileSync(path, 'utf8')) as [string, Applied[]][]);
  } catch {
    // Never written, or damaged: then nothing is known to be deleted.
    return new Map();
  }
}
