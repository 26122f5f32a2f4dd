import { HOUSES } from '../rig/addresses.ts';
import type { Cluster } from '../rig/cluster.ts';
import { CUT, PASS, STALL, type Traffic } from '../rig/tcpProxy.ts';
import { type Attack, hold } from './attack.ts';
import { isPartition, type NetworkFault } from './faults.ts';

const SWALLOW: Traffic = { kind: 'stall', forth: false, back: true };

/** `ranked`: the members of its `whom`. */
export async function networkFault(
  attack: Attack,
  fault: NetworkFault,
  ranked: readonly number[],
  holdMs: number,
): Promise<void> {
  const { cluster, counts, onChange } = attack;
  const among = isPartition(fault) || fault.kind === 'slow' ? [...cluster.links] : cluster.doors;
  const disturbances = (): number => among.reduce((sum, proxy) => sum + proxy.disturbances, 0);
  const before = disturbances();
  begin(cluster, fault, ranked);
  onChange();
  if (fault.kind === 'flap') await flap(attack, ranked, fault.periodMs, holdMs);
  else await hold(attack, holdMs);
  healNetwork(cluster);
  onChange();
  // Where nothing was on its way, nothing was done.
  if (disturbances() === before) return;
  if (isPartition(fault)) counts.partitions += 1;
  else if (fault.kind === 'slow') counts.slowLinks += 1;
  else counts.clientFaults += 1;
}

/** Lasts until `healNetwork`. */
function begin(cluster: Cluster, fault: NetworkFault, ranked: readonly number[]): void {
  const { active } = cluster;
  const others = active.filter((ordinal) => !ranked.includes(ordinal));
  const between = (from: readonly number[], to: readonly number[], traffic: Traffic): void => {
    for (const a of from) for (const b of to) if (a !== b) cluster.link(a, b).set(traffic);
  };
  const doorsOf = (house: number, ordinals: readonly number[], traffic: Traffic): void => {
    for (const ordinal of ordinals) cluster.door(ordinal, house).set(traffic);
  };
  const doors = (ordinals: readonly number[], traffic: Traffic): void => {
    for (let house = 0; house < HOUSES; house++) doorsOf(house, ordinals, traffic);
  };
  switch (fault.kind) {
    case 'isolate': {
      const traffic = fault.cut ? CUT : STALL;
      between(ranked, active, traffic);
      between(active, ranked, traffic);
      if (fault.clientsToo) doors(ranked, traffic);
      return;
    }
    case 'island':
      between(ranked, others, STALL);
      between(others, ranked, STALL);
      doorsOf(0, others, STALL);
      for (let house = 1; house < HOUSES; house++) doorsOf(house, ranked, STALL);
      return;
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

async function flap(
  attack: Attack,
  ordinals: readonly number[],
  periodMs: number,
  holdMs: number,
): Promise<void> {
  const { cluster, onChange } = attack;
  const endMs = performance.now() + holdMs;
  for (let isCut = true; performance.now() < endMs; isCut = !isCut) {
    for (const a of ordinals) {
      for (const b of cluster.active) {
        if (a === b) continue;
        cluster.link(a, b).set(isCut ? CUT : PASS);
        cluster.link(b, a).set(isCut ? CUT : PASS);
      }
    }
    onChange();
    await hold(attack, periodMs);
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
