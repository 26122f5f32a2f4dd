import { expect, it } from 'vitest';
import { BadArguments, readArgs } from './args.ts';

it('reads what is asked for', () => {
  expect(readArgs([])).toEqual({ durationMs: 180_000, seed: null, out: null, diskFull: true, mutant: null });
  expect(readArgs(['--minutes', '0.5', '--seed', '7', '--out', 'x', '--no-disk-full'])).toEqual({
    durationMs: 30_000,
    seed: 7,
    out: 'x',
    diskFull: false,
    mutant: null,
  });
  expect(readArgs(['--minutes', 'x', '-h'])).toBe('help');
});

it.for([
  [['--minutes', '0'], /--minutes must be/],
  [['--minutes', 'many'], /--minutes must be/],
  [['--seed', '1.5'], /--seed must be/],
  [['--seed=-1'], /--seed must be/],
  [['--out', ''], /--out must name/],
  [['--mutant', 'none'], /--mutant: no mutant is named/],
  [['--fast'], /--help lists the options/],
  [['3'], /--help lists the options/],
] as const)('refuses %j', ([argv, message]) => {
  expect(() => readArgs(argv)).toThrow(BadArguments);
  expect(() => readArgs(argv)).toThrow(message);
});
