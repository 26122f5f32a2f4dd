/** A group as its leader has it; members by ordinal. */
export interface LedGroup {
  readonly leader: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** Entries that each member of the group is not known to have. */
  readonly lags: ReadonlyMap<number, number>;
}
/** What can be seen from outside of a cluster that is scaled between three and five. */
export interface ScalingState {
  /** What the StatefulSet is to have. */
  readonly replicas: number;
  /** Volumes that nobody has deleted yet. */
  readonly claims: readonly number[];
  /** Members that report an id. */
  readonly reporting: readonly number[];
  /** Those in the roster, and what they are to be. */
  readonly roster: ReadonlyMap<number, 'learner' | 'voter'>;
  /** Null: some group has no leader at the moment. */
  readonly groups: readonly LedGroup[] | null;
}

export interface ScalingStep {
  readonly name: string;
  /** Members take theirs whether an operator works or not. */
  readonly by: 'operator' | 'members';
  /** By what the step leaves behind. */
  readonly isDone: (state: ScalingState) => boolean;
}

/** Who comes with the fourth and the fifth, and goes with them. */
export const MOVING = [3, 4] as const;
/** As close as the operator asks of a learner before it lets it vote. */
const CAUGHT_UP_ENTRIES = 64;

const isIn = ({ voters, learners }: LedGroup, ordinal: number): boolean =>
  voters.includes(ordinal) || learners.includes(ordinal);
const isNear = ({ lags }: LedGroup, ordinal: number): boolean =>
  (lags.get(ordinal) ?? Number.POSITIVE_INFINITY) <= CAUGHT_UP_ENTRIES;

export const UP: readonly ScalingStep[] = [
  { name: 'replicas raised', by: 'operator', isDone: ({ replicas }) => replicas === 5 },
  {
    name: 'a new pod reports its id',
    by: 'members',
    isDone: ({ reporting }) => MOVING.some((ordinal) => reporting.includes(ordinal)),
  },
  {
    name: 'a learner in the roster',
    by: 'operator',
    isDone: ({ roster }) => MOVING.some((ordinal) => roster.has(ordinal)),
  },
  {
    name: 'all caught up in every group',
    by: 'members',
    isDone: ({ roster, groups }) =>
      MOVING.every(
        (ordinal) =>
          roster.has(ordinal) &&
          groups?.every((group) => isIn(group, ordinal) && isNear(group, ordinal)) === true,
      ),
  },
  {
    name: 'voters in the roster',
    by: 'operator',
    isDone: ({ roster }) => MOVING.some((ordinal) => roster.get(ordinal) === 'voter'),
  },
];

export const DOWN: readonly ScalingStep[] = [
  {
    name: 'leaderships moved',
    by: 'operator',
    isDone: ({ groups }) =>
      groups?.every(({ leader }) => !MOVING.some((ordinal) => ordinal === leader)) === true,
  },
  {
    name: 'out of the roster',
    by: 'operator',
    isDone: ({ roster }) => MOVING.some((ordinal) => !roster.has(ordinal)),
  },
  {
    name: 'out of every group',
    by: 'members',
    isDone: ({ roster, groups }) =>
      MOVING.every(
        (ordinal) => !roster.has(ordinal) && groups?.every((group) => !isIn(group, ordinal)) === true,
      ),
  },
  { name: 'replicas lowered', by: 'operator', isDone: ({ replicas }) => replicas < 5 },
  {
    name: 'a claim gone',
    by: 'operator',
    isDone: ({ claims }) => MOVING.some((ordinal) => !claims.includes(ordinal)),
  },
];

/** How many of the steps are done: the last that is counts, for each rests on those before it. */
export function stepsDone(steps: readonly ScalingStep[], state: ScalingState): number {
  return steps.findLastIndex(({ isDone }) => isDone(state)) + 1;
}

/** How many come to be done, once so many are, without any operator. */
export function stepsWithoutOperator(steps: readonly ScalingStep[], done: number): number {
  const next = steps.findIndex(({ by }, at) => at >= done && by === 'operator');
  return next === -1 ? steps.length : next;
}
