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
  {
    name: 'propose-above-level',
    why: 'an operation of the next version is proposed as soon as its leader knows it: others cannot apply it',
    edits: [
      {
        file: 'node/src/replica/group.ts',
        find: 'return serves(this.#context.features, this.machine.featureLevel(), op);',
        replace: 'return serves(this.#context.features, this.#context.features.level, op);',
      },
    ],
    checkers: ['run'],
    faults: ['versions', 'kill', 'partition'],
    maxSeeds: 5,
  },
  {
    name: 'let-in-below-level',
    why: 'a member comes to a group whose log has what its version does not know',
    edits: [
      {
        file: 'node/src/replica/featureLevels.ts',
        find: '  return caughtUp && level >= Math.max(groupLevel, proposedLevel);',
        replace: '  return caughtUp || level >= Math.max(groupLevel, proposedLevel);',
      },
    ],
    checkers: ['feature levels'],
    faults: ['versions', 'lostVolume', 'scale'],
    maxSeeds: 20,
  },
  {
    name: 'go-on-above-own-level',
    why: 'a member that was set back too late does not mind what its group has come to',
    edits: [
      {
        file: 'node/src/machines/replicatedMachine.ts',
        find: '    if (level > this.#features.level) throw new TooOldError(this.group, level, this.#features);\n',
        replace: '',
      },
    ],
    checkers: ['feature levels'],
    faults: ['versions', 'kill'],
    maxSeeds: 20,
  },
];
