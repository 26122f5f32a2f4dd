import { randomInt } from 'node:crypto';
import { BadArguments, HELP, readArgs } from './args.ts';
import { Evidence } from './evidence.ts';
import { isInside, runInside, stopSignal } from './isolation.ts';
import { BUILT_MEMBER, mutatedMember } from './programs.ts';
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
  const program = args.mutant === null ? BUILT_MEMBER : mutatedMember(args.mutant);
  const signal = stopSignal();
  const seed = args.seed ?? randomInt(2 ** 32);
  const nowMs = (): number => performance.now();
  const evidence = new Evidence(args.out, nowMs);
  // Of clients and proxies, at any time: members end with this process.
  process.on('uncaughtException', (error) => {
    say(`${error.stack ?? error}\nevidence: ${evidence.dir}`);
    process.exit(1);
  });
  const report = (line: string): void => say(`[${(nowMs() / 1000).toFixed(1).padStart(6)} s] ${line}`);
  report(`seed ${seed}, ${args.durationMs / 60_000} minutes, in ${evidence.dir}`);
  let keep = true;
  try {
    const { durationMs, diskFull } = args;
    const verdict = await run({ seed, durationMs, diskFull, program, evidence, nowMs, signal, report });
    const text = summary(seed, durationMs, verdict);
    evidence.write('summary.txt', `${text}\n`);
    say(text);
    const isBroken = verdict.problems.length > 0;
    if (args.mutant === null) keep = isBroken || verdict.lacking.length > 0;
    else {
      keep = !isBroken;
      say(`the planted bug ${args.mutant} was ${isBroken ? '' : 'not '}noticed`);
    }
    return keep ? 1 : 0;
  } catch (error) {
    if (!signal.aborted) throw error;
    say('interrupted');
    keep = false;
    return 130;
  } finally {
    if (evidence.close(keep)) say(`evidence: ${evidence.dir}`);
  }
}

// An interrupted run leaves clients behind that would keep this process.
try {
  process.exit(await main());
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof BadArguments ? error.message : String(error)}\n`);
  process.exit(error instanceof BadArguments ? 2 : 1);
}
