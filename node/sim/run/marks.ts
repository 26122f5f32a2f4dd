import type { Observation } from '../history/observations.ts';
import { FAULT_NAMES, type FaultName } from './plan.ts';

/** How often what is worth trying came about: a nemesis that is too kind shows here. */
export interface Marks {
  elections: number;
  crashes: number;
  diskFailures: number;
  snapshotsInstalled: number;
  compactions: number;
  overwrittenEntries: number;
  volumesDamaged: number;
  /** Starts on a volume of which something in use was spoilt, and that said so. */
  spoilsNoticed: number;
  volumesLost: number;
  configurationsSeen: number;
  recoveries: number;
  levelsRaised: number;
  /** Members that stopped because their version knew less than their group. */
  membersTooOld: number;
}

export function noMarks(): Marks {
  return {
    elections: 0,
    crashes: 0,
    diskFailures: 0,
    snapshotsInstalled: 0,
    compactions: 0,
    overwrittenEntries: 0,
    volumesDamaged: 0,
    spoilsNoticed: 0,
    volumesLost: 0,
    configurationsSeen: 0,
    recoveries: 0,
    levelsRaised: 0,
    membersTooOld: 0,
  };
}

export function addMarks(to: Marks, more: Marks): void {
  for (const name of Object.keys(to) as (keyof Marks)[]) to[name] += more[name];
}

/** Counts what members show. */
export class MarkCounter {
  readonly marks = noMarks();
  /** By member and group: where its log ends. */
  readonly #ends = new Map<string, number>();

  show(shown: Observation): void {
    const { marks } = this;
    switch (shown.kind) {
      case 'role':
        if (shown.role === 'leader') marks.elections += 1;
        return;
      case 'stopped':
        if (shown.why === 'crashed') marks.crashes += 1;
        return;
      case 'installed':
        marks.snapshotsInstalled += 1;
        return;
      case 'compacted':
        marks.compactions += 1;
        return;
      case 'volumeLost':
        marks.volumesLost += 1;
        return;
      case 'recovered':
        marks.recoveries += 1;
        return;
      case 'levelRaised':
        marks.levelsRaised += 1;
        return;
      case 'configuration':
        if (shown.index > 1) marks.configurationsSeen += 1;
        return;
      case 'restored':
        this.#ends.set(`${shown.member} ${shown.group}`, shown.snapshotIndex + shown.entries.length);
        return;
      case 'appended': {
        const first = shown.entries[0]?.index ?? 0;
        const key = `${shown.member} ${shown.group}`;
        marks.overwrittenEntries += Math.max(0, (this.#ends.get(key) ?? 0) - first + 1);
        this.#ends.set(key, shown.entries.at(-1)?.index ?? 0);
        return;
      }
      default:
    }
  }

  note(line: string): void {
    if (line.includes(', damaged: ')) this.marks.volumesDamaged += 1;
    if (line.includes(' noticed what is spoilt: ')) this.marks.spoilsNoticed += 1;
    if (line.includes('ended: fatal: ')) this.marks.diskFailures += 1;
    if (line.includes('ended: too old: ')) this.marks.membersTooOld += 1;
  }
}

/** How often each fault has struck: one that hit nothing does not count. */
export type Struck = Record<FaultName, number>;

export function noneStruck(): Struck {
  return Object.fromEntries(FAULT_NAMES.map((name) => [name, 0])) as Struck;
}

export function addStruck(to: Struck, more: Struck): void {
  for (const name of FAULT_NAMES) to[name] += more[name];
}

/** In so many seeds with drawn faults each comes about, but for bad luck that nobody ever has. */
const TELLING_SEEDS = 100;
const RARE: Readonly<Record<string, number>> = { membersTooOld: 1_000, leadershipBack: 300 };

/** What should have come about in so many seeds, and never did. */
export function missing(counts: Marks | Struck, seeds: number): string[] {
  return Object.entries(counts)
    .filter(([name, count]) => count === 0 && seeds >= (RARE[name] ?? TELLING_SEEDS))
    .map(([name]) => name);
}

export function describeStruck(struck: Struck): string {
  return FAULT_NAMES.map((name) => `${name} ${struck[name]}`).join(', ');
}

export function describeMarks(marks: Marks): string {
  return Object.entries(marks)
    .map(([name, count]) => `${count} ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`)
    .join(', ');
}
