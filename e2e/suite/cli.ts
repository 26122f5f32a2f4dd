import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../images/build.ts';
import { rigCluster } from '../kind/clusters.ts';
import type { ClusterAccess } from '../kind/story.ts';
import { unableReason } from '../rig/able.ts';
import { run } from '../rig/command.ts';
import { bringDown } from '../rig/down.ts';
import { collectEvidence } from '../rig/evidence.ts';
import { exclusively } from '../rig/exclusive.ts';
import { KUBECONFIG } from '../rig/paths.ts';
import { timedReport } from '../rig/progress.ts';
import { runningRig } from '../rig/rig.ts';
import { ACCESS_VARIABLE, type SuiteAccess } from './access.ts';

const HELP = `Tests SyncCluster on a real Kubernetes: the chart installed, upgraded and uninstalled; the sample scaled, its leader
killed under load, the operator killed after each step, nodes and volumes lost; a benchmark; what rest costs; and that
the operator was refused nothing and has no right that it does not use; what the README says to do by hand.

Usage: npm run e2e [-- OPTIONS FILE…]

FILE is a part of the name of one of e2e/suite/*.e2e.ts, such as "volumes"; none given: all of them. "rights" looks at
what the operator asked for in the whole run, and fails without the others.

On the cluster that KUBECONFIG names, if it is set and not the rig's: then kubectl and helm have to be on the PATH, and
the cluster has to get the images of "npm run images". Namespaces that begin with synccluster-e2e are the tests' own
there. The release synccluster in synccluster-system becomes this checkout's chart with its default values, whatever it
was, and stays; what needs the rig's machines, another image or the end of that release is left out.
Otherwise on the rig (npm run e2e:up), with the images of this checkout; a rig that did not run is ended afterwards.

  --keep          leave the rig running
  --if-possible   where no rig can run (no root, no Linux) and KUBECONFIG is not set, say so and end well
  -h, --help      this text`;

const report = timedReport();
let tests: ChildProcess | null = null;
let interrupted = false;

function onInterrupt(): void {
  interrupted = true;
  if (tests === null) {
    process.stderr.write('interrupted; "npm run e2e:down" takes away what was started\n');
    process.exit(130);
  }
  tests.kill('SIGTERM');
}

async function namedCluster(kubeconfig: string): Promise<ClusterAccess> {
  if (!existsSync(kubeconfig)) throw new Error(`KUBECONFIG must name one file, but is ${kubeconfig}`);
  await run('helm', ['version'], { timeoutMs: 20_000 });
  await run('kubectl', ['--kubeconfig', kubeconfig, 'version', '--request-timeout=15s'], {
    timeoutMs: 30_000,
  });
  report(`on the cluster of ${kubeconfig}`);
  return { kubeconfig, kubectl: 'kubectl', helm: 'helm' };
}

/** Namespaces of tests that failed before, which were kept to be looked at. */
async function removeLeftovers({ kubeconfig, kubectl }: ClusterAccess): Promise<void> {
  const ask = (...args: string[]): Promise<string> =>
    run(kubectl, ['--kubeconfig', kubeconfig, ...args], { timeoutMs: 300_000 });
  const all = (await ask('get', 'namespaces', '--output=name')).split('\n');
  const left = all.filter((name) => /^namespace\/synccluster-e2e(-|$)/.test(name));
  if (left.length === 0) return;
  report(`removing what tests left before: ${left.join(', ')}`);
  await ask('delete', ...left, '--ignore-not-found', '--timeout=4m');
}

function runTests(access: SuiteAccess, files: readonly string[]): Promise<number> {
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const config = join(ROOT, 'e2e/vitest.config.ts');
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, ...files], {
    cwd: ROOT,
    env: { ...process.env, [ACCESS_VARIABLE]: JSON.stringify(access) },
    stdio: 'inherit',
  });
  tests = child;
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

function checkFile(part: string): void {
  const all = readdirSync(import.meta.dirname).flatMap((name) => /^(\w+)\.e2e\.ts$/.exec(name)?.[1] ?? []);
  if (!all.some((name) => name.includes(part)))
    throw new Error(`no tests are named ${part}; there are ${all.join(', ')}`);
}

async function main(): Promise<number> {
  let keep: boolean;
  let ifPossible: boolean;
  let files: readonly string[];
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        keep: { type: 'boolean', default: false },
        'if-possible': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${HELP}\n`);
      return 0;
    }
    keep = values.keep;
    files = positionals;
    files.forEach(checkFile);
    ifPossible = values['if-possible'];
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message.split('\n')[0] : String(error)} (--help explains)\n`,
    );
    return 2;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onInterrupt);
  const kubeconfig = process.env['KUBECONFIG'];
  // That of the rig may be set because "npm run e2e:up" said so.
  const isRig = kubeconfig === undefined || kubeconfig === '' || kubeconfig === KUBECONFIG;
  const unable = isRig && ifPossible ? unableReason() : null;
  if (unable !== null) {
    process.stdout.write(`NOT RUN: no test on a real Kubernetes: ${unable}, and KUBECONFIG is not set\n`);
    return 0;
  }
  const isOurs = isRig && runningRig() === null;
  let code = 1;
  try {
    const runBegan = new Date().toISOString();
    const access = isRig ? await rigCluster(report) : await namedCluster(kubeconfig);
    await removeLeftovers(access);
    code = await runTests({ ...access, isRig, runBegan }, files);
    if (code !== 0 && !interrupted) {
      const evidence = await collectEvidence(access.kubectl, access.kubeconfig);
      report(`failed: logs, events and objects are in ${evidence}`);
    }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
  if (isOurs && !keep) {
    await exclusively(() => bringDown(report));
    report('the rig is down');
  } else if (isRig) {
    report('the rig goes on: npm run e2e:down ends it');
  }
  return interrupted ? 130 : code;
}

process.exitCode = await main();
