import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from './args.ts';
import { renderReport } from './report/html.ts';
import { renderSummary } from './report/text.ts';
import type { Result } from './result.ts';

/** Throws, in one clear line, when no file can be written into `dir`; makes it. */
export async function checkWritable(dir: string): Promise<void> {
  const probe = join(dir, `.writable-${process.pid}`);
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(probe, '');
    await rm(probe, { force: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOTDIR' || code === 'EEXIST' ? 'not a directory' : message;
    throw new UsageError(`--out ${dir}: ${why}`);
  }
}

/** Writes `results.json`, `summary.md` and `report.html`, each whole or not at all. */
export async function writeFiles(dir: string, result: Result): Promise<string[]> {
  await mkdir(dir, { recursive: true });
  const files = {
    'results.json': `${JSON.stringify(result, null, 1)}\n`,
    'summary.md': renderSummary(result),
    'report.html': renderReport(result),
  };
  const written: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    await writeFile(`${path}.part`, content);
    await rename(`${path}.part`, path);
    written.push(path);
  }
  return written;
}
