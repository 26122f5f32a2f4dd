import type { Mutant } from './mutant.ts';

/** In the agreement of members of different versions on what a group's log may hold. */
export const versionMutants: readonly Mutant[] = [
  {
    name: 'raise-before-all-know',
    why: 'a group is raised to what its leader knows: members that were not updated yet cannot go on',
    edits: [
      {
        file: 'node/src/replica/featureLevels.ts',
        find: 'return Math.min(...[...voters, ...learners].map(({ id }) => levelOf(id)));',
        replace: 'return Math.max(...[...voters, ...learners].map(({ id }) => levelOf(id)));',
      },
    ],
    checkers: ['feature levels'],
    faults: ['versions', 'kill', 'partition'],
    maxSeeds: 5,
  },
];
