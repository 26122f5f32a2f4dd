import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '-C', 'development', PROGRAM];

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-test-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function flags(dataDir: string, adminPort = 0): string[] {
  const zero = ['client', 'peer', 'http', 'health'].flatMap((use) => [`--${use}-port`, '0']);
  return [
    ...['--data-dir', dataDir, '--pod-name', 'm-0', '--host', '127.0.0.1', '--peer-address', '127.0.0.1'],
    ...['--log-level', 'fatal', '--admin-port', String(adminPort), ...zero],
  ];
}

function run(...argv: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...NODE_FLAGS, ...argv], { encoding: 'utf8', timeout: 15_000 });
}

function expectOneLine(result: SpawnSyncReturns<string>, line: RegExp): void {
  expect(result.stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(result.stderr).toMatch(line);
  expect([result.status, result.stdout]).toEqual([1, '']);
}

it.each(['-h', '--help'])('%s prints the flags', (flag) => {
  const { status, stdout } = run(flag);
  expect(stdout).toMatch(/^Usage: synccluster-node/);
  expect(status).toBe(0);
});

it('says in one line that another process has the data directory', async () => {
  const holder = spawn(process.execPath, [...NODE_FLAGS, ...flags(dir), '--log-level', 'info']);
  try {
    let log = '';
    while (!log.includes('the member runs')) log += String((await once(holder.stdout, 'data'))[0]);
    expectOneLine(run(...flags(dir)), /^synccluster-node: another process uses the data directory/);
  } finally {
    holder.kill('SIGKILL');
    await once(holder, 'exit');
  }
});

it('says in one line which port is taken', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const result = run(...flags(dir, port));
  server.close();
  expectOneLine(result, new RegExp(`cannot listen on 127.0.0.1:${port}: the port is taken`));
});

it('says in one line that the data directory is none', () => {
  const path = join(dir, 'file');
  writeFileSync(path, '');
  expectOneLine(run(...flags(path)), /^synccluster-node: dataDir: .*(EEXIST|ENOTDIR)/);
  expectOneLine(run(...flags(join(path, 'below'))), /^synccluster-node: dataDir: .*ENOTDIR/);
});
