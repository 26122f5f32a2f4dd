import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { renderReport } from './report/html.ts';
import { renderSummary } from './report/text.ts';
import type { Result } from './result.ts';

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
