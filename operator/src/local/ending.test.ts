import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEMO_MARKER } from './demoDirectory.ts';
import { stopLocalRuntime } from './localRuntime.ts';
import { RUNTIME_VARIABLE } from './podProcess.ts';
import { processesWithEnvironment, processIdentity } from './processIdentity.ts';

const EXAMPLE = join(import.meta.dirname, '../../../examples/cluster.yaml');
let dir: string;
let children: ChildProcess[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-ending-'));
  children = [];
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await stopLocalRuntime(join(dir, 'runtime'), 1000);
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
});

/** From source, as everything else in these tests. */
function start(program: string, ...args: string[]): ChildProcess & { readonly output: () => string } {
  const child = spawn(
    process.execPath,
    ['--conditions=development', join(import.meta.dirname, `${program}.ts`), ...args],
    { stdio: ['ignore', 'pipe', 'pipe'], cwd: dir },
  );
  children.push(child);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return Object.assign(child, { output: () => text });
}
async function until<T>(what: string, check: () => T | null | undefined | false): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const value = check();
    if (value !== null && value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`waited too long for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const running = (): number[] => processesWithEnvironment(`${RUNTIME_VARIABLE}=${join(dir, 'runtime')}`);
const codeOf = (child: ChildProcess): Promise<number | null> =>
  child.exitCode === null
    ? new Promise((resolve) => child.once('close', (code) => resolve(code)))
    : Promise.resolve(child.exitCode);

describe('a program of local mode', () => {
  it.each([
    ['main', ['-f', EXAMPLE]],
    ['demo', []],
  ])(
    '%s ends everything when nobody reads its output any more',
    { timeout: 60_000 },
    async (program, args) => {
      const child = start(program, '--dir', join(dir, 'runtime'), ...args);
      await until(`members to run: ${child.output()}`, () => running().length >= 3);
      const pids = running();
      child.stdout?.destroy();
      child.stderr?.destroy();
      await codeOf(child);
      expect(running()).toEqual([]);
      expect(pids.map(processIdentity).filter((identity) => identity !== null)).toEqual([]);
    },
  );

  it('says in one line what is wrong with its files and its directory, and leaves nothing', async () => {
    writeFileSync(join(dir, 'file'), '');
    for (const [args, line] of [
      [['-f', dir], `${dir}: is a directory; give its files`],
      [['-f', 'absent.yaml'], 'absent.yaml: no such file'],
      [['-f', EXAMPLE, '--dir', join(dir, 'file')], `--dir ${join(dir, 'file')}: not a directory`],
    ] as const) {
      const child = start('main', '--dir', join(dir, 'runtime'), ...args);
      expect(await codeOf(child)).toBe(2);
      expect(child.output()).toBe(`${line}\n`);
    }
    expect(existsSync(join(dir, 'runtime'))).toBe(false);
  });

  it.each([
    ['end', 0],
    ['leave', 1],
  ] as const)('that fails unforeseen lets its pods %s', { timeout: 30_000 }, async (podsAtCrash, left) => {
    writeFileSync(join(dir, 'pod.mjs'), 'setInterval(() => {}, 1000);');
    writeFileSync(
      join(dir, 'fails.ts'),
      `const { startLocalRuntime } = await import(${JSON.stringify(join(import.meta.dirname, 'localRuntime.ts'))});
       const { Ending } = await import(${JSON.stringify(join(import.meta.dirname, 'ending.ts'))});
       const dir = ${JSON.stringify(join(dir, 'runtime'))};
       new Ending({ dir, tell: console.log, podsAtCrash: '${podsAtCrash}' });
       const logger = { debug() {}, info() {}, warn() {}, error() {} };
       const runtime = await startLocalRuntime({ dir, logger, customResourceDefinitions: [], programs: { pod: [${JSON.stringify(join(dir, 'pod.mjs'))}] } });
       runtime.applyManifest({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'ns' }, spec: { containers: [{ name: 'main', image: 'x:1', command: ['pod'] }] } });
       setInterval(() => { if (runtime.podPid('ns', 'p') !== null) throw new Error('unforeseen'); }, 20);`,
    );
    const child = spawn(process.execPath, ['--conditions=development', join(dir, 'fails.ts')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(child);
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    expect(await codeOf(child)).toBe(1);
    expect(text).toContain('unforeseen');
    expect(text.includes('--stop')).toBe(podsAtCrash === 'leave');
    await until('what ends to have ended', () => running().length === left);
  });

  it('says where it looked for something to stop', async () => {
    const child = start('main', '--stop');
    expect(await codeOf(child)).toBe(0);
    expect(child.output()).toMatch(/\.synccluster: nothing was left running\n.*\.synccluster\/demo: nothing/);
  });
});

describe('the demo', () => {
  it('refuses a directory with files of others, and leaves them', async () => {
    const precious = join(dir, 'precious');
    mkdirSync(precious);
    writeFileSync(join(precious, 'letter'), 'dear');
    const child = start('demo', '--dir', precious);
    expect(await codeOf(child)).toBe(2);
    expect(child.output()).toBe(
      `${precious} holds files that no demo made; give an empty or a new directory with --dir\n`,
    );
    expect(readFileSync(join(precious, 'letter'), 'utf8')).toBe('dear');
  });

  it('empties the directory of an earlier demo', { timeout: 30_000 }, async () => {
    const own = join(dir, 'runtime');
    mkdirSync(own);
    writeFileSync(join(own, DEMO_MARKER), '');
    writeFileSync(join(own, 'report.html'), 'old');
    const child = start('demo', '--dir', own);
    await until('it to begin', () => child.output().includes('apply a SyncCluster'));
    expect(existsSync(join(own, 'report.html'))).toBe(false);
    expect(existsSync(join(own, DEMO_MARKER))).toBe(true);
    child.kill('SIGTERM');
    expect(await codeOf(child)).toBe(130);
    expect(running()).toEqual([]);
  });
});
