import { expect, test } from 'vitest';
import {
  DOWN,
  type LedGroup,
  type ScalingState,
  stepsDone,
  stepsWithoutOperator,
  UP,
} from '../scalingSteps.ts';

const group = (leader: number, voters: number[], learners: number[] = [], lag = 0): LedGroup => ({
  leader,
  voters,
  learners,
  lags: new Map([...voters, ...learners].map((ordinal) => [ordinal, ordinal < 3 ? 0 : lag])),
});
const roster = (voters: number[], learners: number[] = []): ScalingState['roster'] =>
  new Map([
    ...voters.map((ordinal) => [ordinal, 'voter'] as const),
    ...learners.map((ordinal) => [ordinal, 'learner'] as const),
  ]);
const OLD = [0, 1, 2];
const ALL = [0, 1, 2, 3, 4];
const THREE: ScalingState = {
  replicas: 3,
  claims: OLD,
  reporting: OLD,
  roster: roster(OLD),
  groups: [group(0, OLD), group(1, OLD)],
};
const FIVE: ScalingState = {
  replicas: 5,
  claims: ALL,
  reporting: ALL,
  roster: roster(ALL),
  groups: [group(0, ALL), group(4, ALL)],
};

test('each step of a scale-up is told from the one before and the one after', () => {
  const raised = { ...THREE, replicas: 5, claims: ALL };
  const reported = { ...raised, reporting: [...OLD, 4] };
  const learner = { ...raised, reporting: ALL, roster: roster(OLD, [4]) };
  const behind = { ...learner, roster: roster(OLD, [3, 4]), groups: [group(0, OLD, [3, 4], 65)] };
  const missing = { ...behind, groups: [group(0, OLD, [3, 4]), group(1, OLD, [3])] };
  const caughtUp = { ...behind, groups: [group(0, OLD, [3, 4]), group(1, OLD, [3, 4], 64)] };
  const voters = { ...caughtUp, roster: roster(ALL) };
  const states = [
    THREE,
    raised,
    reported,
    learner,
    behind,
    missing,
    { ...behind, groups: null },
    caughtUp,
    voters,
  ];
  expect(states.map((state) => stepsDone(UP, state))).toEqual([0, 1, 2, 3, 3, 3, 3, 4, 5]);
});

test('each step of a scale-down is told from the one before and the one after', () => {
  const moved = { ...FIVE, groups: [group(0, ALL), group(2, ALL)] };
  const removed = { ...moved, roster: roster(OLD) };
  const partly = { ...removed, groups: [group(0, ALL), group(2, OLD)] };
  const out = { ...removed, groups: THREE.groups };
  const lowered = { ...out, replicas: 3 };
  const claimGone = { ...lowered, claims: [...OLD, 4] };
  const states = [FIVE, { ...FIVE, groups: null }, moved, removed, partly, out, lowered, claimGone];
  expect(states.map((state) => stepsDone(DOWN, state))).toEqual([0, 0, 1, 2, 2, 3, 4, 5]);
});

test('members go on without an operator up to the next step that is its own', () => {
  expect(UP.map((_, at) => stepsWithoutOperator(UP, at + 1))).toEqual([2, 2, 4, 4, 5]);
  expect(DOWN.map((_, at) => stepsWithoutOperator(DOWN, at + 1))).toEqual([1, 3, 3, 4, 5]);
});
