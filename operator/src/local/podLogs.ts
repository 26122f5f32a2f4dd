import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import type { LocalLogger } from './controlLoop.ts';

const MAX_LOG_BYTES = 16 * 1024 * 1024;

/**
 * Keeps each log to two files of a bounded size. Copied and cut rather than renamed: programs keep their file open,
 * and it is open for appending, so they go on at the new end. What is written between the two steps is lost.
 */
export function boundLogs(directory: string, logger: LocalLogger, maxBytes = MAX_LOG_BYTES): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (!path.endsWith('.log')) continue;
    try {
      if (statSync(path).size <= maxBytes) continue;
      copyFileSync(path, `${path}.1`);
      truncateSync(path, 0);
    } catch (error) {
      logger.warn({ err: error, path }, 'a log could not be cut');
    }
  }
}

const TAIL_BYTES = 2048;

/** The end of a log, from the beginning of a line where it is cut; empty when it cannot be read. */
export function tailOf(path: string): string {
  let file: number | null = null;
  try {
    file = openSync(path, 'r');
    const { size } = statSync(path);
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES));
    const read = readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.toString('utf8', 0, read);
    return size > TAIL_BYTES ? text.slice(text.indexOf('\n') + 1) : text;
  } catch {
    return '';
  } finally {
    if (file !== null) closeSync(file);
  }
}
