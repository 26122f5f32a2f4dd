import { join } from 'node:path';
import { type FileOps, isFullDisk } from './fileOps.ts';
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
  /** What can be given up. */
  #heldBytes = 0;
  #filling: Promise<void> | null = null;

  constructor(ops: FileOps, directory: string, bytes: number, logger: StorageLogger = NO_LOGGER) {
    this.#ops = ops;
    this.#directory = directory;
    this.#bytes = bytes;
    this.#logger = logger;
  }

  /** Finds the reserve of an earlier start. */
  async load(): Promise<void> {
    if (!(await this.#ops.list(this.#directory)).includes(RESERVE_FILE)) return;
    const file = await this.#ops.open(join(this.#directory, RESERVE_FILE), 'read');
    try {
      // One cut short by a crash, or of another setting, is space all the same.
      this.#heldBytes = await file.size();
    } finally {
      await file.close();
    }
  }

  /** What is to be set apart from the free space before anybody counts on it. */
  get missingBytes(): number {
    return Math.max(0, this.#bytes - this.#heldBytes);
  }

  /** Takes the reserve back unless that would fill the disk again. Never rejects. */
  ensure(): Promise<void> {
    if (this.#heldBytes === this.#bytes) return Promise.resolve();
    this.#filling ??= this.#fill().finally(() => {
      this.#filling = null;
    });
    return this.#filling;
  }

  async #fill(): Promise<void> {
    const path = join(this.#directory, RESERVE_FILE);
    try {
      if ((await this.#ops.freeBytes(this.#directory)) < 2 * this.#bytes) return;
      this.#heldBytes = 0;
      await this.#ops.remove(path);
      if (this.#bytes === 0) return;
      const file = await this.#ops.open(path, 'create');
      try {
        for (let at = 0; at < this.#bytes; at += ZEROS.length) {
          await file.write([ZEROS.subarray(0, Math.min(ZEROS.length, this.#bytes - at))], at);
        }
      } finally {
        await file.close();
      }
      this.#heldBytes = this.#bytes;
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
      if (!isFullDisk(error)) throw error;
      await this.#filling;
      if (this.#heldBytes === 0) throw error;
      const bytes = this.#heldBytes;
      this.#heldBytes = 0;
      this.#logger.warn({ bytes }, 'the disk is full: the reserve is given up');
      await this.#ops.remove(join(this.#directory, RESERVE_FILE));
      return await work();
    }
  }
}
