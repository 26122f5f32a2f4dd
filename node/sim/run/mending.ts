import type { Plan } from './plan.ts';

/** As the member has it: a connection that died in silence is noticed within this. */
const SILENT_MS = 5_000;
/** As the member has it: told to give its leaderships away, it takes none for so long. */
const RELUCTANT_MS = 60_000;
/** Between two looks of the operator at the members, and the step that follows. */
const PASS_MS = 500;
/** Between two that come back once a forced recovery is through, at most. */
export const RETURN_MS = 2_000;
/** As the member has it: leaderships given away, what is under way answered; then it starts as another version. */
const RESTART_MS = 10_000;
/** Of a member that is replaced: out of the roster, out of the groups, in again, a voter. */
const PASSES = 4;

/** What was begun, and is gone through with in its own time. */
interface Left {
  /** Somebody was told to give its leaderships away. */
  readonly reluctant: boolean;
  /** So many wait for a forced recovery to be through. */
  readonly heldBack: number;
  /** So many are, one after the other, to be restarted in order, one that is about to stop included. */
  readonly restarts: number;
}

/**
 * Within this all members are ready voters of every group, once nothing breaks any more; the slowest of two thousand
 * seeds took 77 % of it. The old connections are found dead; leaders are elected in two rounds, of one election timeout and
 * a random part of another each: one among those that are there, one when the leader is replaced itself; each member may
 * have to be replaced, and the steps of that are taken at one pass each.
 */
export function mendingBoundMs({ tuning, slots }: Plan, { reluctant, heldBack, restarts }: Left): number {
  const electionMs = 2 * tuning.electionTicks * tuning.tickMs;
  const passesMs = slots * PASSES * PASS_MS;
  const leftMs = heldBack * RETURN_MS + restarts * RESTART_MS + (reluctant ? RELUCTANT_MS : 0);
  return SILENT_MS + 2 * electionMs + passesMs + leftMs;
}
