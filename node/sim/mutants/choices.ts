import type { Choices } from '../run/plan.ts';

/** Three members, a short attack, blow upon blow: what most bugs need, in a second or two of processor time. */
export const BRIEF = { members: 3, attackMs: 12_000, blowEveryMs: 600 } satisfies Choices;

/** The log is cut off behind a snapshot all the time. */
export const SMALL_LOG = {
  segmentBytes: 64 * 1024,
  snapshotEntries: 20,
  keptEntries: 0,
} satisfies Choices['tuning'];

/** A leader that hears of nobody goes on for seconds. */
export const LONG_ELECTIONS = {
  tickMs: 50,
  electionTicks: 30,
  heartbeatTicks: 4,
} satisfies Choices['tuning'];

/** Slower disks than links: what others have is heard of before the own copy is durable. */
export const FAST_LINK = {
  minMs: 0.05,
  maxMs: 0.3,
  retransmitChance: 0,
  splitChance: 0.01,
} satisfies Choices['link'];
