import { join } from 'node:path';
import { errorCode, type FileOps } from './fileOps.ts';
import { NO_LOGGER, type StorageLogger } from './logger.ts';

export const RESERVE_FILE = 'reserve';
const ZEROS = Buffer.alloc(1024 * 1024);

/**
 * Space written in advance. On a full disk it is given up, so that what frees space (acks, deletes, the snapshot
 * that lets old segments go) can still be logged; it is taken back once there is room again.
 */
export class Reserve {
  readonly #ops: FileOps;
  readonly #directory: string;
  readonly #bytes: number;
  readonly #logger: StorageLogger;
  #held = false;
  #filling: Promise<void> | null = null;

  constructor(ops: FileOps, directory: string, bytes: number, logger: StorageLogger = NO_LOGGER) {
    this.#ops = ops;
    this.#directory = directory;
    this.#bytes = bytes;
    this.#logger = logger;
  }

  /** Finds the reserve of an earlier start. */
  async load(): Promise<void> {
    if (this.#bytes === 0 || !(await this.#ops.list(this.#directory)).includes(RESERVE_FILE)) return;
    const file = await this.#ops.open(join(this.#directory, RESERVE_FILE), 'read');
    try {
      this.#held = (await file.size()) === this.#bytes;
    } finally {
      await file.close();
    }
  }

  /** What is to be set apart from the free space before anybody counts on it. */
  get missingBytes(): number {
    return this.#held ? 0 : this.#bytes;
  }

  /** Takes the reserve back unless that would fill the disk again. Never rejects. */
  ensure(): Promise<void> {
    if (this.#held || this.#bytes === 0) return Promise.resolve();
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = null;
    });
    return this.#filling;
  }

  async #fill(): Promise<void> {
    const path = join(this.#directory, RESERVE_FILE);
    try {
      await this.#ops.remove(path);
      if ((await this.#ops.freeBytes(this.#directory)) < 2 * this.#bytes) return;
      const file = await this.#ops.open(path, 'create');
      try {
        for (let at = 0; at < this.#bytes; at += ZEROS.length) {
          await file.write([ZEROS.subarray(0, Math.min(ZEROS.length, this.#bytes - at))], at);
        }
      } finally {
        await file.close();
      }
      this.#held = true;
    } catch (error) {
      this.#logger.warn({ error }, 'the disk reserve could not be written');
      await this.#ops.remove(path).catch(() => {});
    }
  }

  /** Waits for a fill that is under way. */
  async settle(): Promise<void> {
    await this.#filling;
  }

  /** Does `work`; when the disk is full, gives the reserve up and does it once more. */
  async spend<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error;
      await this.#filling;
      if (!this.#held) throw error;
      this.#held = false;
      this.#logger.warn({ bytes: this.#bytes }, 'the disk is full: the reserve is given up');
      await this.#ops.remove(join(this.#directory, RESERVE_FILE));
      return await work();
    }
  }
}
