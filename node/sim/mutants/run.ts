import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Finding } from './attempt.ts';
import { MUTANTS, mutantNamed } from './catalogue.ts';
import type { Mutant } from './mutant.ts';

/*
 * `npm run sim:mutants [-- --mutant NAME … --max-seeds N]`: plants each bug of the catalogue in turn and runs seeds
 * until the simulator notices it. A seed that also fails with nothing planted does not count.
 * Exit 0: all were caught; 1: not all; 2: bad arguments.
 */

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

interface Verdict {
  readonly mutant: Mutant;
  /** Null: not caught. */
  readonly finding: Finding | null;
  /** Seeds that fail with nothing planted. */
  readonly unfit: readonly number[];
  readonly seconds: number;
}

function runSeeds(mutant: string, from: number, to: number): Promise<Finding | null> {
  const child = spawn(
    process.execPath,
    ['--conditions=development', '--import', here('register.ts'), here('attempt.ts'), `${from}`, `${to}`],
    { env: { ...process.env, SYNCCLUSTER_MUTANT: mutant }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const last = output.trimEnd().split('\n').at(-1) ?? '';
      if (code !== 0 || last === '')
        reject(new Error(`seeds ${from} to ${to} with ${mutant || 'nothing'}: exit ${code}`));
      else resolve(JSON.parse(last) as Finding | null);
    });
  });
}

async function hunt(mutant: Mutant, maxSeeds: number): Promise<Verdict> {
  const started = performance.now();
  const unfit: number[] = [];
  let finding: Finding | null = null;
  for (let from = 1; from <= maxSeeds && finding === null; ) {
    const found = await runSeeds(mutant.name, from, maxSeeds);
    if (found === null) break;
    if ((await runSeeds('', found.seed, found.seed)) === null) finding = found;
    else unfit.push(found.seed);
    from = found.seed + 1;
  }
  return { mutant, finding, unfit, seconds: (performance.now() - started) / 1000 };
}

function line({ mutant, finding, unfit, seconds }: Verdict, maxSeeds: number): string {
  const seeds = finding === null ? `not within ${maxSeeds}` : String(finding.seed);
  const skipped = unfit.length === 0 ? '' : ` (seeds ${unfit.join(', ')} fail with nothing planted)`;
  return `| ${mutant.name} | ${seeds}${skipped} | ${finding?.checker ?? '-'} | ${seconds.toFixed(0)} s |`;
}

function readArguments(): { mutants: readonly Mutant[]; maxSeeds: number | null } {
  const { values } = parseArgs({
    options: { mutant: { type: 'string', multiple: true }, 'max-seeds': { type: 'string' } },
  });
  const maxSeeds = values['max-seeds'] === undefined ? null : Number(values['max-seeds']);
  if (maxSeeds !== null && !(Number.isSafeInteger(maxSeeds) && maxSeeds > 0)) {
    throw new Error('--max-seeds must be a whole number above 0');
  }
  return { mutants: values.mutant?.map(mutantNamed) ?? MUTANTS, maxSeeds };
}

async function main(): Promise<number> {
  let wanted: ReturnType<typeof readArguments>;
  try {
    wanted = readArguments();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 2;
  }
  console.log('| mutant | seeds until caught | checker | time |\n|---|---|---|---|');
  let missed = 0;
  for (const mutant of wanted.mutants) {
    const maxSeeds = wanted.maxSeeds ?? mutant.maxSeeds;
    const verdict = await hunt(mutant, maxSeeds);
    if (verdict.finding === null) missed += 1;
    console.log(line(verdict, maxSeeds));
    if (verdict.finding !== null) console.error(`  ${verdict.finding.what}`);
  }
  console.log(`\n${wanted.mutants.length - missed} of ${wanted.mutants.length} caught`);
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main();
