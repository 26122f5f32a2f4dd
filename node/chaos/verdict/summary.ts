import type { Verdict } from '../run.ts';
import type { Span } from './availability.ts';

/** What people read at the end. */
export function summary(seed: number, durationMs: number, verdict: Verdict): string {
  const { counts, operations, problems, lacking } = verdict;
  const by = (outcome: string): number => operations.filter((o) => o.outcome === outcome).length;
  const faults: readonly (readonly [string, number])[] = [
    ['members killed', counts.kills],
    ['members stopped in order', counts.terminations],
    ['members suspended', counts.pauses],
    ['partitions', counts.partitions],
    ['slow networks', counts.slowLinks],
    ['clients cut off, or their answers', counts.clientFaults],
    ['full disks', counts.diskFullPeriods],
    ['starts on a full disk', counts.startsOnFullDisk],
    ['clocks hours off', counts.wildClocks],
    ['scalings', counts.scalings],
    ['volumes lost', counts.volumesLost],
    ['leaderships moved', counts.transfers],
    ['starts of members', verdict.memberStarts],
  ];
  const results: readonly (readonly [string, number])[] = [
    ['operations', operations.length],
    ['  done', by('ok')],
    ['  refused', by('fail')],
    ['  outcome unknown', by('unknown')],
    ['  refused for a full disk', verdict.diskFullRefusals],
  ];
  const table = (rows: readonly (readonly [string, number])[]): string[] =>
    rows.map(([name, value]) => `  ${name.padEnd(36)}${String(value).padStart(8)}`);
  return [
    '',
    `Chaos, seed ${seed}, ${durationMs / 60_000} minutes`,
    ...table(faults),
    ...table(results),
    '  longest without success             in all   with a majority up and linked',
    ...verdict.outages.map(
      ({ what, longest, longestWithQuorum }) =>
        `    ${what.padEnd(32)}${seconds(longest).padStart(9)}   ${seconds(longestWithQuorum)} at ${Math.round(longestWithQuorum.fromMs / 1000)} s`,
    ),
    ...(lacking.length === 0 ? [] : ['Too little was done to the cluster:', ...lacking]),
    ...(problems.length === 0
      ? ['Nothing acknowledged was lost, nothing was granted twice, and all came to itself again.']
      : [`${problems.length} problems:`, ...problems]),
  ].join('\n');
}

function seconds({ fromMs, toMs }: Span): string {
  return `${((toMs - fromMs) / 1000).toFixed(1)} s`;
}
