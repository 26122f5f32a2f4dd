import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLocalCluster } from './localCluster.ts';

describe.runIf(process.platform === 'linux')('a local cluster that does not come up', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synccluster-bench-test-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** A program in a member's place. */
  function program(source: string): string {
    const path = join(dir, 'program.mjs');
    writeFileSync(path, source);
    return path;
  }
  const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);
  const pidsIn = (volume: string): number[] =>
    readdirSync(volume)
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(/pid (\d+)/.exec(readFileSync(join(volume, name), 'utf8'))?.[1]));

  it('says with which words a member ended', async () => {
    const failing = program(`process.stderr.write('no space on this volume\\n'); process.exit(3);`);
    await expect(startLocalCluster({ members: 2, program: failing })).rejects.toThrow(
      /member \d ended with code 3:\nno space on this volume/,
    );
  });
  it('ends every member when its time is up', async () => {
    const silent = program(`process.stdout.write('pid ' + process.pid); setInterval(() => {}, 1000);`);
    await expect(
      startLocalCluster({ members: 2, program: silent, dir, readyTimeoutMs: 1_500 }),
    ).rejects.toThrow('the local cluster did not come up: identity of member');
    const pids = pidsIn(dir);
    expect(pids).toHaveLength(2);
    expect(pids.filter(alive)).toEqual([]);
  });
  it('ends every member when it is aborted', async () => {
    const silent = program(`process.stdout.write('pid ' + process.pid); setInterval(() => {}, 1000);`);
    const abort = new AbortController();
    const starting = startLocalCluster({ members: 2, program: silent, dir, signal: abort.signal });
    starting.catch(() => {});
    await expect
      .poll(() => pidsIn(dir).filter((pid) => Number.isInteger(pid)).length, { timeout: 10_000 })
      .toBe(2);
    abort.abort(new Error('enough'));
    await expect(starting).rejects.toThrow('enough');
    expect(pidsIn(dir).filter(alive)).toEqual([]);
  });
});
