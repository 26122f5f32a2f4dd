import type { Counts } from '../nemesis/counts.ts';

/** What three minutes must have shown; longer and shorter runs in proportion. */
const PER_THREE_MINUTES: Readonly<Partial<Record<keyof Counts, number>>> = {
  kills: 20,
  partitions: 10,
  pauses: 3,
  terminations: 1,
  wildClocks: 1,
  clientFaults: 2,
};
const THREE_MINUTES_MS = 180_000;

/** What was too little, each in a line: then the run shows nothing. */
export function missing(counts: Counts, durationMs: number, diskFull: boolean): string[] {
  const lines: string[] = [];
  const need = (name: keyof Counts, least: number): void => {
    if (counts[name] < least) lines.push(`${name}: ${counts[name]}, and at least ${least} were due`);
  };
  for (const [name, per] of Object.entries(PER_THREE_MINUTES)) {
    need(name as keyof Counts, Math.floor((per * durationMs) / THREE_MINUTES_MS));
  }
  if (diskFull) {
    need('diskFullPeriods', 1);
    need('startsOnFullDisk', 1);
  }
  // What takes long comes only where there is time for it.
  if (durationMs < THREE_MINUTES_MS) return lines;
  need('scalings', 2);
  need('volumesLost', 1);
  need('transfers', 1);
  return lines;
}
