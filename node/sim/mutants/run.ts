import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Pool } from '../run/pool.ts';
import { MUTANTS, mutantNamed } from './catalogue.ts';
import { hunt, tell, type Verdict } from './hunt.ts';
import type { Mutant } from './mutant.ts';

const HELP = `Plants each bug of the catalogue in turn and runs seeds 1, 2, … until one of the checkers that are meant for
it notices. What another checker notices does not count, nor does a seed that also fails with nothing planted.

npm run sim:mutants -- [options]
  --mutant NAME    this one only; may be given several times
  --from S         the first seed (1)
  --max-seeds N    instead of the number that the catalogue states for each
  --rate           do not stop at the first catch: tell how many of the seeds catch it
  --within N       only those that the catalogue wants caught within so many seeds
  --jobs N         bugs at a time (as many as there are processors)
  --list           names and what is broken
  --help

Exit code 0: all were caught; 1: one was not; 2: bad arguments.`;

interface Arguments {
  readonly mutants: readonly Mutant[];
  readonly from: number;
  readonly maxSeeds: number | null;
  readonly rate: boolean;
  readonly jobs: number;
  readonly show: 'help' | 'list' | null;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      mutant: { type: 'string', multiple: true },
      from: { type: 'string' },
      'max-seeds': { type: 'string' },
      rate: { type: 'boolean' },
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
    from: values.from === undefined ? 1 : whole('from', values.from),
    rate: values.rate === true,
    maxSeeds: values['max-seeds'] === undefined ? null : whole('max-seeds', values['max-seeds']),
    jobs: values.jobs === undefined ? availableParallelism() : whole('jobs', values.jobs),
    show: values.help === true ? 'help' : values.list === true ? 'list' : null,
  };
}

async function main({ mutants, from, maxSeeds, rate, jobs, show }: Arguments): Promise<boolean> {
  if (show !== null) {
    console.log(show === 'help' ? HELP : mutants.map(({ name, why }) => `${name}: ${why}`).join('\n'));
    return true;
  }
  const started = performance.now();
  const sane = new Pool(null);
  const missed: string[] = [];
  let tookMs = 0;
  console.log('| mutant | faults | seeds until caught | by |\n|---|---|---|---|');
  const left = [...mutants];
  const next = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const seeds = maxSeeds ?? mutant.maxSeeds;
      const verdicts: Verdict[] = [];
      for (let seed = from; seed < from + seeds; seed += verdicts.at(-1)!.seeds) {
        verdicts.push(await hunt(mutant, { from: seed, seeds: from + seeds - seed, jobs: 1, sane }));
        if (!rate) break;
      }
      for (const verdict of verdicts) tookMs += verdict.tookMs;
      const caught = verdicts.filter((verdict) => verdict.caught !== null);
      if (caught.length === 0) missed.push(mutant.name);
      const until = caught.length === 0 ? '-' : String(caught[0]!.caught!.seed + 1 - from);
      const share = rate ? ` (${caught.length} of ${seeds})` : '';
      const faults = mutant.faults?.join(', ') ?? 'drawn';
      console.log(`| ${mutant.name} | ${faults} | ${until}${share} | ${tell(mutant, verdicts[0]!)} |`);
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, next));
  } finally {
    sane.close();
  }
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  console.log(
    `\n${mutants.length - missed.length} of ${mutants.length} caught in ${seconds} s (${(tookMs / 1_000).toFixed(0)} s of processors)`,
  );
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
