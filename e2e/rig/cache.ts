import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { identity, isAlive, parseIdentity, renderIdentity } from './processIdentity.ts';

/**
 * The folder `<root>/<key>`, made once. It appears whole or not at all: `make` fills a folder beside it, which is then
 * renamed. Of two makers at a time the second one's work is thrown away.
 */
export async function cached(
  root: string,
  key: string,
  make: (dir: string) => Promise<void>,
): Promise<string> {
  const dir = join(root, key);
  if (existsSync(dir)) return dir;
  mkdirSync(root, { recursive: true });
  removeAbandoned(root);
  const making = mkdtempSync(join(root, `${MAKING}${renderIdentity(identity(process.pid))}.`));
  try {
    await make(making);
    chmodSync(making, 0o755);
    try {
      renameSync(making, dir);
    } catch (error) {
      if (!existsSync(dir)) throw error;
    }
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return dir;
}

const MAKING = 'making.';

/** Unfinished folders of makers that are no more. */
function removeAbandoned(root: string): void {
  for (const name of readdirSync(root)) {
    if (!name.startsWith(MAKING)) continue;
    const maker = parseIdentity(name.slice(MAKING.length).split('.')[0] ?? '');
    if (maker === null || !isAlive(maker)) rmSync(join(root, name), { recursive: true, force: true });
  }
}
