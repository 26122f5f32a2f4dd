import { expect, it } from 'vitest';
import { mutantNamed } from '../mutants/catalogue.ts';
import { readArguments } from './arguments.ts';

it('a planted bug says itself how many seeds must be enough, unless the caller does', () => {
  const mutant = mutantNamed('stale-read');
  expect(readArguments(['--mutant', 'stale-read'], 2)).toMatchObject({
    mutant,
    from: 1,
    seeds: mutant.maxSeeds,
  });
  expect(readArguments(['--mutant', 'stale-read', '--seeds', '3'], 2)).toMatchObject({ mutant, seeds: 3 });
  expect(readArguments(['--mutant', 'stale-read', '--seed', '9'], 2)).toMatchObject({ from: 9, seeds: 1 });
});

it('a bug that nobody knows is refused, and so is what a hunt for one cannot do', () => {
  expect(() => readArguments(['--mutant', 'none-such'], 2)).toThrow('no mutant is named none-such');
  expect(() => readArguments(['--mutant', 'stale-read', '--twice'], 2)).toThrow('--mutant goes without');
  expect(() => readArguments(['--mutant', 'stale-read', '--minutes', '1'], 2)).toThrow(
    '--mutant goes without',
  );
});
