import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHolder, RuntimeLock } from './runtimeLock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const dead = (nonce: number): string => JSON.stringify({ pid: 2 ** 30, identity: 'gone', nonce });

describe('the lock of a directory', () => {
  it('is held by one, and free again when released', () => {
    const lock = RuntimeLock.take(dir);
    expect(lockHolder(dir)?.pid).toBe(process.pid);
    expect(() => RuntimeLock.take(dir)).toThrow(/in use by the process/);
    lock.release();
    expect(lockHolder(dir)).toBeNull();
    RuntimeLock.take(dir).release();
    expect(readdirSync(dir)).toEqual([]);
  });

  it.each([
    ['whose holder is gone', dead(0.5)],
    ['that is damaged', 'no JSON'],
  ])('is taken from one %s', (_what, content) => {
    writeFileSync(join(dir, 'runtime.lock'), content);
    RuntimeLock.take(dir);
    expect(lockHolder(dir)?.pid).toBe(process.pid);
    expect(readdirSync(dir)).toEqual(['runtime.lock']);
  });

  it('is taken even though one died while it took it over', () => {
    writeFileSync(join(dir, 'runtime.lock'), dead(0.5));
    writeFileSync(join(dir, 'runtime.lock.dead-0.5'), dead(0.25));
    RuntimeLock.take(dir);
    expect(readdirSync(dir)).toEqual(['runtime.lock']);
  });

  it('is not taken from under one that is just being taken over', () => {
    writeFileSync(join(dir, 'runtime.lock'), dead(0.5));
    const other = RuntimeLock.take(join(dir, 'other'));
    const content = JSON.stringify({ ...lockHolder(join(dir, 'other')), nonce: 0.75 });
    writeFileSync(join(dir, 'runtime.lock.dead-0.5'), content);
    expect(() => RuntimeLock.take(dir)).toThrow(/could not be locked/);
    other.release();
    expect(existsSync(join(dir, 'runtime.lock'))).toBe(true);
  });

  it('goes to one of many who find a dead one at once', { timeout: 60_000 }, async () => {
    writeFileSync(join(dir, 'runtime.lock'), dead(0.5));
    const program = `const { RuntimeLock } = await import(${JSON.stringify(join(import.meta.dirname, 'runtimeLock.ts'))});
      process.stdin.once('data', () => {
        try { RuntimeLock.take(${JSON.stringify(dir)}); console.log('taken'); } catch { console.log('refused'); }
      });
      console.log('ready');`;
    const children = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    try {
      const line = (child: (typeof children)[number]): Promise<string> =>
        new Promise((resolve, reject) => {
          child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
          child.once('exit', (code) => reject(new Error(`ended with ${code}`)));
        });
      expect(await Promise.all(children.map(line))).toEqual(Array(4).fill('ready'));
      const answers = Promise.all(children.map(line));
      for (const child of children) child.stdin.write('go');
      const told = await answers;
      expect(told.filter((answer) => answer === 'taken')).toHaveLength(1);
      expect(told.filter((answer) => answer === 'refused')).toHaveLength(3);
    } finally {
      for (const child of children) child.kill('SIGKILL');
    }
  });
});
