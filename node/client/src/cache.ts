import type { CallOptions, Engine } from './engine.ts';
import { asSyncError, SyncError } from './errors.ts';
import { Op, QueryOp, ReadLevel, type ReadLevelValue } from './protocol/commands.ts';
import type { GroupId } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import { utf8Bytes } from './protocol/validate.ts';
import { ReadOp } from './readOp.ts';

/**
 * How fresh a read must be. `any`: whatever the asked member has; `session`: nothing older than what this client has
 * seen; `linearizable`: everything acknowledged to anybody before.
 */
export type ReadLevelName = 'any' | 'session' | 'linearizable';

export interface CacheEntry {
  readonly value: Uint8Array;
  /** Rises with every put of any key of its group. */
  readonly version: number;
}
export interface CacheGetOptions extends CallOptions {
  /** @default 'session' */
  level?: ReadLevelName;
}
export interface CachePutOptions extends CallOptions {
  /** 0: does not expire. @default 0 */
  ttlMs?: number;
}

const LEVELS: Readonly<Record<ReadLevelName, ReadLevelValue>> = {
  any: ReadLevel.Any,
  session: ReadLevel.Session,
  linearizable: ReadLevel.Linearizable,
};

const utf8 = new TextEncoder();

/** Text as UTF-8, bytes as they are. */
export function toBytes(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? utf8.encode(value) : value;
}

/** The replicated cache. A value handed in must not be changed until the call has settled. */
export class Cache {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Null: no such entry. */
  get(key: string, options?: CacheGetOptions): Promise<CacheEntry | null> {
    return new Promise((resolve, reject) => {
      try {
        const group = this.#groupOf(key);
        const op = new GetOp(this.#engine, group, key, options, resolve, reject);
        this.#engine.startRead(op, options?.signal);
      } catch (error) {
        reject(asSyncError(error));
      }
    });
  }

  /** Resolves with the entry's new version. */
  async put(key: string, value: Uint8Array | string, options: CachePutOptions = {}): Promise<number> {
    const fields = [key, toBytes(value), options.ttlMs ?? 0];
    return this.#engine.write(this.#groupOf(key), Op.CachePut, fields, ([version]) => version, options);
  }

  /** False: there was nothing to delete. */
  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    return this.#engine.write(this.#groupOf(key), Op.CacheDelete, [key], ([existed]) => existed, options);
  }

  #groupOf(key: string): GroupId {
    if (
      typeof key !== 'string' ||
      key.length === 0 ||
      key.length > LIMITS.keyBytes ||
      utf8Bytes(key) > LIMITS.keyBytes ||
      !key.isWellFormed()
    ) {
      throw new SyncError('INVALID_ARGUMENT', `a key must be text of 1 to ${LIMITS.keyBytes} bytes of UTF-8`);
    }
    return this.#engine.router.directory.groupOfKey(key);
  }
}

class GetOp extends ReadOp {
  readonly #onAnswer: CallOptions['onAnswer'];
  readonly #resolve: (entry: CacheEntry | null) => void;
  readonly #reject: (error: SyncError) => void;
  constructor(
    engine: Engine,
    group: GroupId,
    key: string,
    options: CacheGetOptions | undefined,
    resolve: (entry: CacheEntry | null) => void,
    reject: (error: SyncError) => void,
  ) {
    const level = LEVELS[options?.level ?? 'session'];
    super(engine, group, level, [QueryOp.CacheGet, key], engine.deadlineMs(options?.timeoutMs));
    this.#onAnswer = options?.onAnswer;
    this.#resolve = resolve;
    this.#reject = reject;
  }
  protected override answered([version, value]: readonly unknown[]): void {
    this.#onAnswer?.({ group: this.group, index: this.index, resent: false });
    if (value === null) {
      this.#resolve(null);
    } else if (value instanceof Uint8Array && typeof version === 'number') {
      // A copy: a view would keep the whole chunk alive for as long as the caller keeps the value.
      this.#resolve({ value: Buffer.from(value), version });
    } else {
      throw new TypeError('version and value');
    }
  }
  protected override failed(error: SyncError): void {
    this.#reject(error);
  }
}
