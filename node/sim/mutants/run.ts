import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Pool } from '../run/pool.ts';
import type { Report } from '../run/worker.ts';
import { MUTANTS, mutantNamed } from './catalogue.ts';
import type { Mutant } from './mutant.ts';

const HELP = `Plants each bug of the catalogue in turn and runs seeds 1, 2, … until the simulator notices it. A seed that
also fails with nothing planted does not count.

npm run sim:mutants -- [options]
  --mutant NAME    this one only; may be given several times
  --max-seeds N    instead of the number that the catalogue states for each
  --within N       only those that the catalogue wants caught within so many seeds
  --jobs N         processes at a time (as many as there are processors)
  --list           names and what is broken
  --help

Exit code 0: all were caught; 1: one was not; 2: bad arguments.`;

interface Catch {
  readonly seed: number;
  readonly checker: string;
  readonly what: string;
}

/** The checker's verdict; what could not be decided proves nothing. Null: the seed passed. */
function catchOf({ seed, problems }: Report): Catch | null {
  for (const problem of problems) {
    const found = /^(run|[^:\n]+: broken): (.*)/.exec(problem);
    if (found !== null) return { seed, checker: found[1]!.replace(': broken', ''), what: found[2]! };
  }
  return null;
}

interface Verdict {
  readonly caught: Catch | null;
  /** Seeds that fail with nothing planted. */
  readonly unfit: readonly number[];
}

async function hunt(mutant: Mutant, maxSeeds: number, jobs: number, sane: Pool): Promise<Verdict> {
  const unfit: number[] = [];
  const pool = new Pool(mutant.name);
  const { faults = null } = mutant;
  const run = (seed: number): Promise<Report> => pool.run({ seed, faults, transcriptPath: null });
  try {
    for (let from = 1; from <= maxSeeds; from += jobs) {
      const seeds = Array.from({ length: Math.min(jobs, maxSeeds + 1 - from) }, (_, i) => from + i);
      for (const report of await Promise.all(seeds.map(run))) {
        const caught = catchOf(report);
        if (caught === null) continue;
        const without = await sane.run({ seed: caught.seed, faults, transcriptPath: null });
        if (without.passed) return { caught, unfit };
        unfit.push(caught.seed);
      }
    }
    return { caught: null, unfit };
  } finally {
    pool.close();
  }
}

interface Arguments {
  readonly mutants: readonly Mutant[];
  readonly maxSeeds: number | null;
  readonly jobs: number;
  readonly show: 'help' | 'list' | null;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      mutant: { type: 'string', multiple: true },
      'max-seeds': { type: 'string' },
      within: { type: 'string' },
      jobs: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const whole = (name: string, text: string): number => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value > 0) return value;
    throw new Error(`--${name} must be a whole number above 0, not "${text}"`);
  };
  const within = values.within === undefined ? Infinity : whole('within', values.within);
  return {
    mutants: (values.mutant?.map(mutantNamed) ?? MUTANTS).filter((mutant) => mutant.maxSeeds <= within),
    maxSeeds: values['max-seeds'] === undefined ? null : whole('max-seeds', values['max-seeds']),
    jobs: values.jobs === undefined ? availableParallelism() : whole('jobs', values.jobs),
    show: values.help === true ? 'help' : values.list === true ? 'list' : null,
  };
}

async function main({ mutants, maxSeeds, jobs, show }: Arguments): Promise<boolean> {
  if (show !== null) {
    console.log(show === 'help' ? HELP : mutants.map(({ name, why }) => `${name}: ${why}`).join('\n'));
    return true;
  }
  const started = performance.now();
  const sane = new Pool(null);
  const missed: string[] = [];
  const byAnother: string[] = [];
  console.log('| mutant | seeds until caught | checker | what it saw |\n|---|---|---|---|');
  try {
    for (const mutant of mutants) {
      const most = maxSeeds ?? mutant.maxSeeds;
      const { caught, unfit } = await hunt(mutant, most, jobs, sane);
      if (caught === null) missed.push(mutant.name);
      else if (!mutant.checkers.includes(caught.checker)) byAnother.push(mutant.name);
      const seeds = caught === null ? `not within ${most}` : String(caught.seed);
      const others = unfit.length === 0 ? '' : ` (${unfit.join(', ')} fail with nothing planted)`;
      console.log(
        `| ${mutant.name} | ${seeds}${others} | ${caught?.checker ?? '-'} | ${caught?.what ?? '-'} |`,
      );
    }
  } finally {
    sane.close();
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  console.log(`\n${mutants.length - missed.length} of ${mutants.length} caught in ${seconds} s`);
  if (byAnother.length > 0)
    console.log(`by another checker than the one meant for it: ${byAnother.join(', ')}`);
  if (missed.length > 0) console.log(`NOT caught: ${missed.join(', ')}`);
  return missed.length === 0;
}

let given: Arguments;
try {
  given = readArguments();
} catch (error) {
  console.error(`sim:mutants: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(2);
}
process.exitCode = (await main(given)) ? 0 : 1;
