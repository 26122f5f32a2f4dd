import { describe, expect, it } from 'vitest';
import { mutantNamed } from './catalogue.ts';
import { catchOf, tell } from './hunt.ts';

const mutant = mutantNamed('skip-log-match');
const [meant] = mutant.checkers as [string];

describe('what a planted bug came to', () => {
  const of = (...problems: string[]) => catchOf({ seed: 7, problems }, mutant.checkers);

  it('is the verdict of a checker that was meant, whoever else spoke before', () => {
    expect(of('durability: broken: gone', `${meant}: broken: forked\n  details`)).toEqual({
      seed: 7,
      checker: meant,
      what: 'forked',
    });
  });

  it('is that of another checker where no other spoke', () => {
    expect(of('durability: broken: gone')).toMatchObject({ checker: 'durability' });
    expect(of('run: Error: an invariant does not hold\n  at x')).toMatchObject({ checker: 'run' });
  });

  it('is nothing where nothing could be decided', () => {
    expect(of(`${meant}: undecided: the search ran out of steps`)).toBeNull();
    expect(of()).toBeNull();
  });

  it('is told in one line', () => {
    const other = { seed: 2, checker: 'durability', what: 'gone' };
    const caught = { seed: 3, checker: meant, what: 'forked' };
    expect(tell(mutant, { caught, byOthers: [other], unfit: [], seeds: 3 })).toBe(
      `caught at seed 3 by ${meant}: forked`,
    );
    expect(tell(mutant, { caught: null, byOthers: [other], unfit: [1], seeds: 4 })).toBe(
      `NOT caught within 4 seeds by ${mutant.checkers.join(' or ')}; ` +
        '1 times by others, first at seed 2 by durability: gone; with nothing planted these fail too: 1',
    );
  });
});
