import { type Static, Type } from 'typebox';

/** Below 2^48, so exact as a JSON number. */
const id = Type.Integer({ minimum: 0, maximum: 2 ** 48 - 1 });
const ordinal = Type.Integer({ minimum: 0, maximum: 1023 });
const index = Type.Integer({ minimum: 0 });
const configured = Type.Object({ id, ordinal });

export const IdentitySchema = Type.Object({
  memberId: id,
  clusterId: Type.Union([Type.String(), Type.Null()]),
  empty: Type.Boolean(),
  ordinal,
  version: Type.String(),
  damaged: Type.Union([Type.String(), Type.Null()]),
  /** As the member's log has them; a member of an older version does not say, and cannot be recovered from. */
  groups: Type.Optional(
    Type.Array(
      Type.Object({
        group: Type.Integer({ minimum: 0, maximum: 1024 }),
        leader: id,
        lastTerm: index,
        lastIndex: index,
        voters: Type.Array(configured),
      }),
    ),
  ),
});
export type MemberIdentity = Static<typeof IdentitySchema>;

const target = Type.Union([Type.Literal('learner'), Type.Literal('voter'), Type.Literal('removed')]);
export type RosterTarget = Static<typeof target>;
const group = Type.Object({
  group: Type.Integer({ minimum: 0, maximum: 1024 }),
  role: Type.Union([
    Type.Literal('follower'),
    Type.Literal('preCandidate'),
    Type.Literal('candidate'),
    Type.Literal('leader'),
  ]),
  membership: Type.Union([Type.Literal('voter'), Type.Literal('learner'), Type.Literal('none')]),
  term: index,
  leader: id,
  commit: index,
  applied: index,
  lastIndex: index,
  configuration: Type.Object({ voters: Type.Array(configured), learners: Type.Array(configured) }),
  configurationCommitted: Type.Boolean(),
  progress: Type.Array(Type.Object({ id, match: index, active: Type.Boolean() })),
});
export type GroupStatus = Static<typeof group>;
const rosterMember = Type.Object({ memberId: id, ordinal, target });
export type RosterMember = Static<typeof rosterMember>;
const roster = Type.Object({
  version: index,
  members: Type.Array(rosterMember),
  tombstones: Type.Array(id),
});
export type Roster = Static<typeof roster>;

export const StatusSchema = Type.Object({
  memberId: id,
  ordinal,
  clusterId: Type.String(),
  version: Type.String(),
  ready: Type.Boolean(),
  notReadyReason: Type.Union([Type.String(), Type.Null()]),
  freeBytes: Type.Number(),
  groups: Type.Array(group),
  roster,
});
/** What the admin API of a member answers; fields a newer member has besides are ignored. */
export type MemberStatus = Static<typeof StatusSchema>;

export const RosterVersionSchema = Type.Object({ version: index });
export const HandoverSchema = Type.Object({ remaining: Type.Array(Type.Integer({ minimum: 0 })) });
