import { randomInt } from 'node:crypto';
import { BadArguments, HELP, readArgs } from './args.ts';
import { Evidence } from './evidence.ts';
import { isInside, runInside, stopSignal } from './isolation.ts';
import { run } from './run.ts';
import { summary } from './verdict/summary.ts';

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  const args = readArgs(process.argv.slice(2));
  if (args === 'help') {
    say(HELP);
    return 0;
  }
  if (process.platform !== 'linux')
    throw new Error('members need a loopback address each, which only Linux has');
  if (!isInside()) {
    const code = await runInside();
    if (code !== null) return code;
    say('this machine gives a process no mounts and processes of its own: it goes without');
  }
  const signal = stopSignal();
  const seed = args.seed ?? randomInt(2 ** 32);
  const nowMs = (): number => performance.now();
  const evidence = new Evidence(args.out, nowMs);
  const report = (line: string): void => say(`[${(nowMs() / 1000).toFixed(1).padStart(6)} s] ${line}`);
  report(`seed ${seed}, ${args.durationMs / 60_000} minutes, in ${evidence.dir}`);
  let isWell = false;
  try {
    const { durationMs, diskFull } = args;
    const verdict = await run({ seed, durationMs, diskFull, evidence, nowMs, signal, report });
    const text = summary(seed, durationMs, verdict);
    evidence.write('summary.txt', `${text}\n`);
    say(text);
    isWell = verdict.problems.length === 0;
    return isWell ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    say('interrupted');
    isWell = true;
    return 130;
  } finally {
    if (evidence.close(!isWell)) say(`evidence: ${evidence.dir}`);
  }
}

// An interrupted run leaves clients behind that would keep this process.
try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof BadArguments ? error.message : String(error)}\n`);
  process.exit(error instanceof BadArguments ? 2 : 1);
}
