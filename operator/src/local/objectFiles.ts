import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { at, isObject } from './json.ts';
import type { Kind } from './kinds.ts';
import type { StoredObject } from './objects.ts';

/**
 * Writes to a temporary file and renames it: readers, and a process that is killed at any moment, find the old file
 * or the new one. Not synced: this guards against a killed process, not against a power cut.
 */
export function writeFileAtomically(path: string, content: string | Buffer, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.tmp`;
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, path);
}

/** Versions are handed out in blocks, so that only every so many writes touch the counter's file. */
const VERSION_BLOCK = 1000;

/** Objects as `DIR/<plural>/<namespace>/<name>.yaml`. */
export class ObjectFiles {
  readonly #directory: string;
  #reserved = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** All objects, and the version to go on from: never below one handed out before, deleted objects' included. */
  load(
    kinds: readonly Kind[],
    onDamaged: (path: string, reason: string) => void,
  ): { objects: [Kind, StoredObject][]; version: number } {
    const objects: [Kind, StoredObject][] = [];
    let version = readCounter(join(this.#directory, 'version'));
    for (const kind of kinds) {
      const folder = join(this.#directory, kind.plural);
      for (const namespace of namesIn(folder)) {
        for (const file of namesIn(join(folder, namespace))) {
          const path = join(folder, namespace, file);
          if (!file.endsWith('.yaml')) {
            if (file.endsWith('.tmp')) rmSync(path, { force: true });
            continue;
          }
          const object = readObject(path);
          if (typeof object === 'string') {
            // Kept for a person to look at, out of the way.
            renameSync(path, `${path}.damaged`);
            onDamaged(path, object);
          } else if (object.apiVersion === kind.apiVersion && object.kind === kind.kind) {
            objects.push([kind, object]);
            version = Math.max(version, Number(object.metadata.resourceVersion));
          }
        }
      }
    }
    this.reserve(version + 1);
    return { objects, version };
  }

  /** Makes sure that a restart goes on above `version`. */
  reserve(version: number): void {
    if (version <= this.#reserved) return;
    this.#reserved = version + VERSION_BLOCK;
    writeFileAtomically(join(this.#directory, 'version'), `${this.#reserved}\n`);
  }

  write(kind: Kind, object: StoredObject): void {
    // Secrets are for their owner only.
    writeFileAtomically(
      this.#path(kind, object),
      stringify(object, { lineWidth: 0, aliasDuplicateObjects: false }),
      kind.kind === 'Secret' ? 0o600 : 0o644,
    );
  }

  remove(kind: Kind, object: StoredObject): void {
    rmSync(this.#path(kind, object), { force: true });
  }

  #path(kind: Kind, object: StoredObject): string {
    return join(this.#directory, kind.plural, object.metadata.namespace, `${object.metadata.name}.yaml`);
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function readCounter(path: string): number {
  if (!existsSync(path)) return 0;
  const value = Number(readFileSync(path, 'utf8').trim());
  return Number.isSafeInteger(value) ? value : 0;
}

/** A string says what is wrong with the file. */
function readObject(path: string): StoredObject | string {
  try {
    const value: unknown = parse(readFileSync(path, 'utf8'));
    if (!isObject(value) || !isObject(value['metadata'])) return 'not an object';
    for (const field of ['name', 'namespace', 'uid', 'resourceVersion']) {
      if (typeof at(value, 'metadata', field) !== 'string') return `metadata.${field} is missing`;
    }
    if (!Number.isSafeInteger(Number(at(value, 'metadata', 'resourceVersion')))) return 'bad resourceVersion';
    return value as StoredObject;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  }
}
