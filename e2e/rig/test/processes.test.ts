import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { end } from '../processes.ts';
import { identity, isAlive, parseIdentity, renderIdentity } from '../processIdentity.ts';

test('an identity survives being written down', () => {
  const own = identity(process.pid);
  expect(parseIdentity(renderIdentity(own))).toEqual(own);
  expect(parseIdentity('')).toBeNull();
  expect(isAlive(own)).toBe(true);
});

test('a process that was given the id of an ended one is not taken for it, and not ended', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const real = identity(child.pid ?? 0);
  const earlier = { pid: real.pid, startTicks: real.startTicks - 1 };
  await end(earlier, 'an earlier process', 'SIGKILL');
  expect(isAlive(earlier)).toBe(false);
  expect(isAlive(real)).toBe(true);
  const ended = once(child, 'exit');
  await end(real, 'the process', 'SIGKILL');
  await ended;
  expect(isAlive(real)).toBe(false);
});

test('a process that ignores being asked is ended by force', { timeout: 15_000 }, async () => {
  const child = spawn(process.execPath, [
    '-e',
    "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000)",
  ]);
  await once(child.stdout, 'data');
  const ended = once(child, 'exit');
  await end(identity(child.pid ?? 0), 'the process', 'SIGTERM', 200);
  expect((await ended)[1]).toBe('SIGKILL');
});
