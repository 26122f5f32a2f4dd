import { join } from 'node:path';
import { LOCK_FILE } from './directoryLock.ts';
import { errorCode, type FileOps } from './fileOps.ts';
import { IDENTITY_FILE } from './identity.ts';
import { RESERVE_FILE } from './reserve.ts';

const ASIDE = 'aside-';

/**
 * Moves everything into a folder of its own, the identity last: a volume caught half-way still answers under its
 * old id, as damaged, and can be set aside again. The lock stays where it is: a process that started now must
 * meet it. The reserve is let go, and what a file system keeps in its root (`lost+found`) is not ours.
 */
export async function setAside(ops: FileOps, directory: string, nowMs: number): Promise<string> {
  const names = await ops.list(directory);
  const stamp = new Date(nowMs).toISOString().replaceAll(':', '').replace('.', '');
  let target = `${ASIDE}${stamp}`;
  for (let n = 2; names.includes(target); n++) target = `${ASIDE}${stamp}-${n}`;
  await ops.makeDirectory(join(directory, target));
  const moved = names.filter(
    (name) =>
      name !== RESERVE_FILE &&
      name !== IDENTITY_FILE &&
      name !== 'lost+found' &&
      !name.startsWith(LOCK_FILE) &&
      !name.startsWith(ASIDE),
  );
  for (const name of [...moved.sort(), IDENTITY_FILE]) {
    try {
      await ops.rename(join(directory, name), join(directory, target, name));
    } catch (error) {
      // A member whose identity was lost has none to move.
      if (name !== IDENTITY_FILE || errorCode(error) !== 'ENOENT') throw error;
    }
    // Each move is durable before the next, so that the identity is truly the last to go.
    await ops.syncDirectory(join(directory, target));
    await ops.syncDirectory(directory);
  }
  await ops.remove(join(directory, RESERVE_FILE));
  return target;
}
