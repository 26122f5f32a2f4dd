import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../rig/cluster.ts';
import { CUT, PASS, STALL, type Traffic } from '../rig/tcpProxy.ts';
import type { NetworkFault } from './faults.ts';

const SWALLOW: Traffic = { kind: 'stall', forth: false, back: true };

/** Brings the fault about; `ranked` names the members of its `whom`. Lasts until `healNetwork`. */
export function beginNetworkFault(cluster: Cluster, fault: NetworkFault, ranked: readonly number[]): void {
  const { active } = cluster;
  const others = active.filter((ordinal) => !ranked.includes(ordinal));
  const between = (from: readonly number[], to: readonly number[], traffic: Traffic): void => {
    for (const a of from) for (const b of to) if (a !== b) cluster.link(a, b).set(traffic);
  };
  const doors = (ordinals: readonly number[], traffic: Traffic): void => {
    for (const ordinal of ordinals) cluster.door(ordinal).set(traffic);
  };
  switch (fault.kind) {
    case 'isolate': {
      const traffic = fault.cut ? CUT : STALL;
      between(ranked, active, traffic);
      between(active, ranked, traffic);
      if (fault.clientsToo) doors(ranked, traffic);
      return;
    }
    case 'deafen':
      between(others, ranked, STALL);
      return;
    case 'mute':
      between(ranked, others, STALL);
      return;
    case 'bridge':
      between(ranked, ranked, fault.cut ? CUT : STALL);
      return;
    case 'apart':
      between(active, active, fault.cut ? CUT : STALL);
      return;
    case 'flap':
      return;
    case 'slow': {
      const { delayMs, jitterMs } = fault;
      between(active, active, { kind: 'delay', delayMs, jitterMs });
      return;
    }
    case 'swallowAnswers':
      doors(ranked, SWALLOW);
      return;
    case 'closeDoors':
      doors(ranked, fault.cut ? CUT : STALL);
      return;
  }
}

/** What has to go on while the fault holds. */
export async function holdNetworkFault(
  cluster: Cluster,
  fault: NetworkFault,
  ranked: readonly number[],
  holdMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (fault.kind !== 'flap') {
    await sleep(holdMs, undefined, { signal });
    return;
  }
  const untilMs = performance.now() + holdMs;
  for (let on = true; performance.now() < untilMs; on = !on) {
    const { active } = cluster;
    for (const a of ranked) {
      for (const b of active) {
        if (a === b) continue;
        cluster.link(a, b).set(on ? CUT : PASS);
        cluster.link(b, a).set(on ? CUT : PASS);
      }
    }
    await sleep(fault.periodMs, undefined, { signal });
  }
}

/** What was held back arrives now, late; only answers that were swallowed never do. */
export function healNetwork(cluster: Cluster): void {
  for (const door of cluster.doors) {
    if (door.traffic === SWALLOW) door.set(CUT);
    door.set(PASS);
  }
  for (const link of cluster.links) link.set(PASS);
}
