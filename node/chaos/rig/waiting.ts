import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 30;

/** Waits until `attempt` gives something; what its last failure said stands in the error. */
export async function until<T>(
  what: string,
  attempt: () => Promise<T | null | false> | T | null | false,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  const dueMs = performance.now() + timeoutMs;
  for (;;) {
    let last = 'not yet';
    try {
      const value = await attempt();
      if (value !== null && value !== false) return value;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
    signal?.throwIfAborted();
    if (performance.now() > dueMs) throw new Error(`waited ${timeoutMs} ms in vain for ${what}: ${last}`);
    await sleep(POLL_MS, undefined, { signal });
  }
}
