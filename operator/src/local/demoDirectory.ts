import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** In every directory that a demo made: what is in it may be deleted by the next one. */
export const DEMO_MARKER = '.synccluster-demo';

/** Why a demo may not empty `dir`, in one line; null when it is absent, empty, or was made by a demo. */
export function whyNotForDemo(dir: string): string | null {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    return code === 'ENOTDIR' ? `${dir} is not a directory` : `${dir} cannot be used: ${message}`;
  }
  if (names.length === 0 || names.includes(DEMO_MARKER)) return null;
  return `${dir} holds files that no demo made; give an empty or a new directory with --dir`;
}

/** Only after `whyNotForDemo` had no objection, and when nothing runs in it. */
export function emptyDemoDirectory(dir: string): void {
  mkdirSync(dir, { recursive: true });
  // First in and never out: emptied half by a demo that was killed, it is a demo's directory still.
  writeFileSync(join(dir, DEMO_MARKER), 'Made by the demo of SyncCluster, and emptied by the next one.\n');
  for (const name of readdirSync(dir))
    if (name !== DEMO_MARKER) rmSync(join(dir, name), { recursive: true, force: true });
}
