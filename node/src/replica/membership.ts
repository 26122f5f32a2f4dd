import type { MemberId, RosterMember, RosterTargetValue } from '@synccluster/client/protocol';
import { quorumSize } from '../raft/quorum.ts';
import type { Configuration, ConfigurationMember, Progress } from '../raft/types.ts';
import { isCaughtUp } from './caughtUp.ts';

export interface MembershipInput {
  readonly self: MemberId;
  readonly configuration: Configuration;
  readonly roster: readonly RosterMember[];
  readonly tombstones: ReadonlySet<MemberId>;
  readonly progress: readonly Progress[];
  readonly lastIndex: number;
  /** It knows whatever the group's log may hold. */
  readonly mayJoin: (id: MemberId) => boolean;
  /** Group 0 lets a member go last: whoever leads a data group must still learn of its own removal. */
  readonly mayRemove: (id: MemberId) => boolean;
}

export type MembershipStep =
  | { readonly kind: 'propose'; readonly configuration: Configuration; readonly what: string }
  /** This leader is to be removed: somebody else must lead first. */
  | { readonly kind: 'handover' }
  | null;

/**
 * The next single step from a group's configuration towards the roster's targets: removals first, so that a dead
 * voter stops counting before a new one does, then new learners, then one promotion.
 */
export function nextMembershipStep(input: MembershipInput): MembershipStep {
  const { configuration: now, tombstones } = input;
  const goneLearners = now.learners.filter((m) => tombstones.has(m.id) && input.mayRemove(m.id));
  if (goneLearners.length > 0) {
    return propose(now.voters, without(now.learners, goneLearners), `drop learners ${ids(goneLearners)}`);
  }
  const leaving = now.voters.filter((m) => tombstones.has(m.id));
  const goneVoters = leaving.filter((m) => input.mayRemove(m.id));
  // A leader that is out of a data group is never told so: another one knows, and lets it go.
  if (leaving.length === 1 && leaving[0]?.id === input.self && now.voters.length > 1) {
    return { kind: 'handover' };
  }
  const active = new Set(input.progress.filter((p) => p.active).map((p) => p.id));
  // The silent first: each living one that goes before them brings the rest nearer to having no quorum. Itself
  // last: as leader it can still do the other steps.
  const rank = (m: ConfigurationMember): number => (m.id === input.self ? 2 : active.has(m.id) ? 1 : 0);
  const gone = [...goneVoters].sort((a, b) => rank(a) - rank(b) || a.id - b.id)[0];
  if (gone !== undefined && now.voters.length > 1) {
    if (gone.id === input.self) return { kind: 'handover' };
    const rest = without(now.voters, [gone]);
    // In force once appended: without a quorum among the rest it could never be committed, nor undone.
    const alive = rest.filter((m) => m.id === input.self || active.has(m.id)).length;
    if (alive >= quorumSize(rest.length)) return propose(rest, now.learners, `remove voter ${gone.id}`);
  }

  const present = new Set([...now.voters, ...now.learners].map((m) => m.id));
  const missing = input.roster
    .filter(([id, , target]) => target !== 'removed' && !present.has(id) && input.mayJoin(id))
    .map(([id, ordinal]): ConfigurationMember => ({ id, ordinal }));
  if (missing.length > 0) {
    return propose(now.voters, [...now.learners, ...missing], `add learners ${ids(missing)}`);
  }

  const targets = new Map<MemberId, RosterTargetValue>(input.roster.map(([id, , target]) => [id, target]));
  const promoted = now.learners.find(
    (m) => targets.get(m.id) === 'voter' && isCaughtUp(input.progress, m.id, input.lastIndex),
  );
  if (promoted !== undefined) {
    return propose([...now.voters, promoted], without(now.learners, [promoted]), `promote ${promoted.id}`);
  }
  return null;
}

function propose(
  voters: readonly ConfigurationMember[],
  learners: readonly ConfigurationMember[],
  what: string,
): MembershipStep {
  return { kind: 'propose', configuration: { voters, learners }, what };
}

function without(
  members: readonly ConfigurationMember[],
  gone: readonly ConfigurationMember[],
): readonly ConfigurationMember[] {
  return members.filter((m) => !gone.includes(m));
}

function ids(members: readonly ConfigurationMember[]): string {
  return members.map((m) => m.id).join(', ');
}
