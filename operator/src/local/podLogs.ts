import { copyFileSync, existsSync, readdirSync, statSync, truncateSync } from 'node:fs';
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
