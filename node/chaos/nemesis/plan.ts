import { Random } from '../../sim/world/random.ts';
import type { Fault, NetworkFault, OtherFault, ProcessFault, Whom } from './faults.ts';

/** Faults of one lane follow each other; lanes overlap, so that faults of different sorts meet. */
export type Lane = 'processes' | 'network' | 'other';

export interface PlannedFault {
  readonly lane: Lane;
  /** Since the start of the run. */
  readonly atMs: number;
  /** From its beginning until it is mended. */
  readonly holdMs: number;
  readonly fault: Fault;
}

/** Groups 0 (coordination) to 3. */
const GROUPS = 4;
/** After so long there is a pause of all faults, in which the cluster has to come to itself. */
const CYCLE_MS = 25_000;
const REST_MS = 4_000;
/** When disks fill up, as shares of the whole. */
const FULL_AT = [0.35, 0.8] as const;
const HOUR_MS = 3_600_000;

/** What is to be done to the cluster, and when: the same for the same arguments. */
export function plan(seed: number, durationMs: number): PlannedFault[] {
  const random = new Random(seed, 'chaos');
  const planned = [
    ...lane('processes', durationMs, random.split('processes'), processDeck),
    ...lane('network', durationMs, random.split('network'), networkDeck),
    ...others(durationMs, random.split('other')),
  ];
  return planned.sort((a, b) => a.atMs - b.atMs);
}

/** Spans without faults: at the end of each cycle, and when a disk fills up, which is to meet a cluster that works. */
function rests(durationMs: number): readonly { readonly fromMs: number; readonly toMs: number }[] {
  const ends = Array.from({ length: Math.floor(durationMs / CYCLE_MS) }, (_, n) => (n + 1) * CYCLE_MS);
  const spans = ends.map((endMs) => ({ fromMs: endMs - REST_MS, toMs: endMs }));
  for (const share of FULL_AT) {
    const fullMs = share * durationMs;
    spans.push({ fromMs: fullMs - REST_MS / 2, toMs: fullMs + REST_MS });
  }
  return spans;
}

type Deck = (random: Random) => readonly Fault[];

/** Decks, each shuffled, one after another: every kind of fault comes as often as any, in ever new neighbourhoods. */
function lane(name: Lane, durationMs: number, random: Random, deck: Deck): PlannedFault[] {
  const planned: PlannedFault[] = [];
  let cards: Fault[] = [];
  let atMs = whole(random, 1_500, 3_000);
  for (;;) {
    const holdMs = random.chance(0.15) ? whole(random, 5_000, 8_000) : whole(random, 700, 2_800);
    if (atMs + holdMs > durationMs - REST_MS) return planned;
    const rest = rests(durationMs).find(({ fromMs, toMs }) => atMs < toMs && atMs + holdMs > fromMs);
    if (rest !== undefined) {
      atMs = rest.toMs + whole(random, 0, 1_000);
      continue;
    }
    if (cards.length === 0) cards = random.shuffled(deck(random));
    planned.push({ lane: name, atMs, holdMs, fault: cards.pop() as Fault });
    atMs += holdMs + whole(random, 200, 1_500);
  }
}

function processDeck(random: Random): readonly ProcessFault[] {
  const gapMs = (): number => random.pick([0, 0, 300, 1_000]);
  return [
    { kind: 'kill', whom: leader(random), gapMs: 0 },
    { kind: 'kill', whom: follower(random), gapMs: 0 },
    { kind: 'kill', whom: two(random), gapMs: gapMs() },
    { kind: 'killTwice', whom: leader(random), againAfterMs: whole(random, 50, 900) },
    { kind: 'killAll', gapMs: gapMs() },
    { kind: 'pause', whom: leader(random) },
    { kind: 'pause', whom: two(random) },
    { kind: 'pauseAndKillOthers', whom: leader(random) },
    { kind: 'terminate', whom: random.chance(0.5) ? leader(random) : follower(random) },
    {
      kind: 'wildClock',
      whom: anyone(random),
      skewMs: random.pick([-24 * HOUR_MS, -HOUR_MS, HOUR_MS, 24 * HOUR_MS]),
      othersSkewMs: whole(random, -300, 300),
    },
  ];
}

function networkDeck(random: Random): readonly NetworkFault[] {
  const cut = (): boolean => random.chance(0.4);
  return [
    { kind: 'isolate', whom: leader(random), cut: cut(), clientsToo: false },
    { kind: 'isolate', whom: leader(random), cut: false, clientsToo: random.chance(0.5) },
    { kind: 'island', whom: leader(random) },
    { kind: 'island', whom: random.chance(0.5) ? leader(random) : two(random) },
    { kind: 'isolate', whom: follower(random), cut: cut(), clientsToo: random.chance(0.3) },
    { kind: 'isolate', whom: two(random), cut: cut(), clientsToo: false },
    { kind: 'deafen', whom: anyone(random) },
    { kind: 'mute', whom: leader(random) },
    { kind: 'bridge', whom: two(random), cut: cut() },
    { kind: 'apart', cut: cut() },
    { kind: 'flap', whom: anyone(random), periodMs: whole(random, 80, 400) },
    { kind: 'slow', delayMs: whole(random, 10, 150), jitterMs: whole(random, 0, 300) },
    { kind: 'swallowAnswers', whom: random.chance(0.5) ? leader(random) : two(random) },
    { kind: 'closeDoors', whom: random.chance(0.5) ? leader(random) : two(random), cut: cut() },
  ];
}

/** The disk always fills up in the middle; what takes long comes only where there is time for it. */
function others(durationMs: number, random: Random): PlannedFault[] {
  const planned: PlannedFault[] = [];
  const at = (share: number, holdMs: number, fault: OtherFault): void => {
    planned.push({ lane: 'other', atMs: Math.floor(share * durationMs), holdMs, fault });
  };
  const transfer = (): OtherFault => ({ kind: 'transfer', group: whole(random, 0, GROUPS - 1) });
  const isLong = durationMs >= 120_000;
  at(0.05, 0, transfer());
  if (isLong) at(0.12, 0, { kind: 'scale', members: 5 });
  at(FULL_AT[0], Math.min(12_000, durationMs / 4), {
    kind: 'fillDisk',
    killAfterMs: whole(random, 3_000, 5_000),
  });
  if (isLong) at(0.5, 0, { kind: 'scale', members: 3 });
  at(0.65, 0, transfer());
  if (isLong) at(0.7, 0, { kind: 'loseVolume', whom: follower(random) });
  if (isLong) at(FULL_AT[1], 8_000, { kind: 'fillDisk', killAfterMs: whole(random, 3_000, 5_000) });
  return planned;
}

/** `min` ≤ n ≤ `max`. */
function whole(random: Random, min: number, max: number): number {
  return min + random.below(max - min + 1);
}

function leader(random: Random): Whom {
  return { group: whole(random, 0, GROUPS - 1), ranks: [0] };
}
function follower(random: Random): Whom {
  return { group: whole(random, 0, GROUPS - 1), ranks: [whole(random, 1, 2)] };
}
function two(random: Random): Whom {
  return { group: whole(random, 0, GROUPS - 1), ranks: random.shuffled([0, 1, 2]).slice(0, 2) };
}
function anyone(random: Random): Whom {
  return random.chance(0.5) ? leader(random) : follower(random);
}
