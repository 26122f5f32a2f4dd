import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cached } from '../cache.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rig-cache-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const writing = (text: string) => async (dir: string) => writeFileSync(join(dir, 'file'), text);

test('what is in the cache is not made again', async () => {
  await cached(root, 'key', writing('first'));
  const dir = await cached(root, 'key', writing('second'));
  expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('first');
});

test('what failed half-way is not in the cache', async () => {
  const failing = async (dir: string): Promise<void> => {
    writeFileSync(join(dir, 'file'), 'half');
    throw new Error('no space');
  };
  await expect(cached(root, 'key', failing)).rejects.toThrow('no space');
  expect(readdirSync(root)).toEqual([]);
  const dir = await cached(root, 'key', writing('whole'));
  expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('whole');
});

test('of two makers at a time both get one whole result', async () => {
  const [one, two] = await Promise.all([
    cached(root, 'key', writing('one')),
    cached(root, 'key.other', writing('two')),
    cached(root, 'key.other', writing('two')),
  ]);
  expect(readFileSync(join(one, 'file'), 'utf8')).toBe('one');
  expect(readFileSync(join(two, 'file'), 'utf8')).toBe('two');
  expect(readdirSync(root).sort()).toEqual(['key', 'key.other']);
});

test('what a maker that is no more left is removed, what a living one makes stays', async () => {
  mkdirSync(join(root, 'making.4194305-1.old'));
  let seen: string[] = [];
  await cached(root, 'outer', async (dir) => {
    await cached(root, 'inner', writing('inner'));
    seen = readdirSync(root).filter((name) => name.startsWith('making.'));
    expect(existsSync(dir)).toBe(true);
  });
  expect(seen).toHaveLength(1);
  expect(readdirSync(root).sort()).toEqual(['inner', 'outer']);
});
