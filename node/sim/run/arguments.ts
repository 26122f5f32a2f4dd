import { parseArgs } from 'node:util';
import { mutantNamed } from '../mutants/catalogue.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { FAULT_NAMES, FAULTS, type FaultName } from './plan.ts';

export interface SimArguments {
  readonly from: number;
  /** How many seeds, unless the time is over first. */
  readonly seeds: number;
  readonly minutes: number | null;
  /** A single seed whose transcript is wanted whatever comes out. */
  readonly single: boolean;
  readonly faults: readonly FaultName[] | null;
  readonly mutant: Mutant | null;
  readonly jobs: number;
  /** Each seed is run a second time and must come out the same to the byte. */
  readonly twice: boolean;
  /** Null: in the folder for temporary files. */
  readonly out: string | null;
  readonly keepGoing: boolean;
}

export const HELP = `Runs whole clusters of the real member and client code in a seeded world that attacks them, and checks
what they promised.

npm run sim -- [options]
  --seeds N          how many seeds (100)
  --from S           the first one (1)
  --seed S           this one alone; its transcript is written
  --minutes M        stop beginning new seeds after this time
  --faults A,B,…     have exactly these faults instead of those each seed draws; "none": none
  --mutant NAME      plant a bug, and stop at the first seed at which one of the checkers meant for it notices; the
                     bug itself says what strikes and how many seeds must be enough, unless --faults and --seeds do
  --twice            run each seed twice: the transcripts must be the same to the byte
  --keep-going       do not stop at the first seed that fails
  --jobs N           processes at a time (as many as there are processors)
  --out DIR          where transcripts of failing seeds go
  --help

Faults:
${FAULT_NAMES.map((name) => `  ${name.padEnd(18)} ${FAULTS[name]}`).join('\n')}

Exit code 0: every seed passed; 1: one failed; 2: bad arguments. With --mutant: 0: caught by a checker that is meant
for it, at a seed that passes with nothing planted; 1: not.
`;

/** Null: help is wanted. Throws with a sentence for people. */
export function readArguments(argv: readonly string[], processors: number): SimArguments | null {
  const { values } = parseArgs({
    args: [...argv],
    strict: true,
    options: {
      seeds: { type: 'string' },
      from: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      faults: { type: 'string' },
      mutant: { type: 'string' },
      twice: { type: 'boolean' },
      'keep-going': { type: 'boolean' },
      jobs: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) return null;
  const single = values.seed !== undefined;
  if (single && (values.seeds !== undefined || values.from !== undefined)) {
    throw new Error('--seed stands alone: without --seeds and --from');
  }
  const mutant = values.mutant === undefined ? null : mutantNamed(values.mutant);
  if (mutant !== null && (values.minutes ?? values.twice ?? values['keep-going']) !== undefined) {
    throw new Error('--mutant goes without --minutes, --twice and --keep-going');
  }
  const usual = mutant?.maxSeeds ?? (values.minutes === undefined ? 100 : 1_000_000_000);
  return {
    from: whole('seed', values.seed ?? values.from ?? '1', 0),
    seeds: single ? 1 : whole('seeds', values.seeds ?? String(usual), 1),
    minutes: values.minutes === undefined ? null : positive('minutes', values.minutes),
    single,
    faults: values.faults === undefined ? null : faultsOf(values.faults),
    mutant,
    jobs: single ? 1 : whole('jobs', values.jobs ?? String(processors), 1),
    twice: values.twice === true,
    out: values.out ?? null,
    keepGoing: values['keep-going'] === true,
  };
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new Error(`--${name} must be a whole number from ${least} on, not "${text}"`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new Error(`--${name} must be a number above 0, not "${text}"`);
}

function faultsOf(text: string): FaultName[] {
  if (text === 'none') return [];
  return text.split(',').map((name) => {
    const fault = FAULT_NAMES.find((one) => one === name);
    if (fault === undefined) throw new Error(`there is no fault "${name}"; see --help`);
    return fault;
  });
}
