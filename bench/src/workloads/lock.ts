import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Workload, WorkloadContext } from './workload.ts';

/** Parallel arrays, one element per lock held: which key, under which token, from when to when. */
export interface HeldLockEvidence {
  readonly names: readonly string[];
  /** Index into `names`. */
  readonly keys: Uint32Array;
  readonly tokens: Float64Array;
  /** When the grant was seen, and when the release was about to be sent: the lock was ours in between. */
  readonly grantedNs: Float64Array;
  readonly releasingNs: Float64Array;
}

/**
 * Acquire and release. Without contention each lane has a key of its own; with contention all clients share a few,
 * and each holds the lock for one turn of its event loop, so that a second holder could be noticed.
 */
export function lockWorkload(context: WorkloadContext, contended: boolean): Workload {
  const { target, spec } = context;
  const names: string[] = [];
  const count = contended ? spec.contendedKeys : spec.inFlight;
  for (let key = 0; key < count; key++) {
    names.push(contended ? `bench/${spec.runId}/${key}` : `bench/${spec.runId}/${spec.client}/${key}`);
  }
  const keys: number[] = [];
  const tokens: number[] = [];
  const grantedNs: number[] = [];
  const releasingNs: number[] = [];

  return {
    lanes: spec.inFlight,
    prepare: async () => {},
    step: async (lane, index) => {
      const key = contended ? (index + spec.client) % count : lane;
      const lock = await target.acquire(names[key]!, spec.lockWaitMs);
      const granted = context.now();
      if (contended) await nextTurn();
      keys.push(key);
      tokens.push(lock.token);
      grantedNs.push(granted);
      releasingNs.push(context.now());
      await lock.release();
      return 1;
    },
    evidence: () => ({
      kind: 'lock',
      names,
      keys: Uint32Array.from(keys),
      tokens: Float64Array.from(tokens),
      grantedNs: Float64Array.from(grantedNs),
      releasingNs: Float64Array.from(releasingNs),
    }),
  };
}

interface Hold {
  token: number;
  grantedNs: number;
  releasingNs: number;
}

/**
 * No two clients may have held a key at once, and tokens rise in the order of the grants. Release and grant cross
 * the server, so a later holder's grant is seen after the earlier holder began its release: on the machine's one
 * monotonic clock these intervals may touch, never overlap.
 */
export function verifyLocks(parts: readonly HeldLockEvidence[]): string[] {
  const byKey = new Map<string, Hold[]>();
  for (const part of parts) {
    for (let at = 0; at < part.keys.length; at++) {
      const name = part.names[part.keys[at]!]!;
      let holds = byKey.get(name);
      if (holds === undefined) {
        holds = [];
        byKey.set(name, holds);
      }
      holds.push({
        token: part.tokens[at]!,
        grantedNs: part.grantedNs[at]!,
        releasingNs: part.releasingNs[at]!,
      });
    }
  }
  const violations: string[] = [];
  for (const [name, holds] of byKey) {
    holds.sort((a, b) => a.grantedNs - b.grantedNs || a.token - b.token);
    for (let at = 1; at < holds.length; at++) {
      const before = holds[at - 1]!;
      const after = holds[at]!;
      if (after.token <= before.token) {
        violations.push(`lock ${name}: token ${after.token} granted after token ${before.token}`);
      }
      if (after.grantedNs < before.releasingNs) {
        violations.push(
          `lock ${name}: granted under token ${after.token} while held under token ${before.token}`,
        );
      }
    }
  }
  return violations;
}
