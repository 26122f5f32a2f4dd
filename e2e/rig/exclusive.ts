import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { waitUntil } from './condition.ts';
import { LOCK_FILE } from './paths.ts';
import { identity, isAlive, parseIdentity, renderIdentity } from './processIdentity.ts';

const LOCK_TIMEOUT_MS = 1_800_000;

/** Runs `work` while no other process of this machine starts or ends the rig. */
export async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  await waitUntil(`the end of another start or stop of the rig (${LOCK_FILE})`, takeLock, {
    timeoutMs: LOCK_TIMEOUT_MS,
    intervalMs: 200,
  });
  try {
    return await work();
  } finally {
    rmSync(LOCK_FILE, { force: true });
  }
}

/** The lock appears with its holder's identity in it or not at all; one whose holder is no more is taken away. */
function takeLock(): boolean {
  const own = `${LOCK_FILE}.${process.pid}`;
  writeFileSync(own, renderIdentity(identity(process.pid)));
  try {
    linkSync(own, LOCK_FILE);
    return true;
  } catch {
    if (!holderIsAlive()) rmSync(LOCK_FILE, { force: true });
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

function holderIsAlive(): boolean {
  try {
    const holder = parseIdentity(readFileSync(LOCK_FILE, 'utf8'));
    return holder !== null && isAlive(holder);
  } catch {
    return true; // Just released: the next try tells.
  }
}
