import { setTimeout as sleep } from 'node:timers/promises';

export interface Waiting {
  readonly timeoutMs: number;
  readonly intervalMs?: number;
  /** Tells why waiting has become pointless, or null. */
  readonly hopeless?: () => string | null;
}

/** Asks until the answer is true; a probe that throws counts as false, and its last error is told at the deadline. */
export async function waitUntil(
  what: string,
  probe: () => boolean | Promise<boolean>,
  { timeoutMs, intervalMs = 100, hopeless }: Waiting,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      if (await probe()) return;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    const reason = hopeless?.() ?? null;
    if (reason !== null) throw new Error(`${what} did not come: ${reason}`);
    if (performance.now() >= deadline)
      throw new Error(`${what} did not come within ${timeoutMs / 1000} s`, { cause: lastError });
    await sleep(intervalMs);
  }
}
