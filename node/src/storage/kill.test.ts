import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openStorage } from './openStorage.ts';
import { G0, openFiles, temporaryDirectory } from './testing/storageFixture.ts';

const WRITER = fileURLToPath(new URL('./testing/durableWriter.ts', import.meta.url));
const OPTIONS = { segmentBytes: 256 * 1024, reserveBytes: 0, onFatal: () => expect.unreachable() };

function startWriter(directory: string): ChildProcess {
  const args = ['--conditions=development', '--disable-warning=ExperimentalWarning', WRITER, directory];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Lets it report `batches` durable batches, then kills it: all lines it got out. */
async function killAfter(
  writer: ChildProcess,
  batches: number,
  meanwhile?: () => Promise<void>,
): Promise<string[]> {
  const lines: string[] = [];
  const exit = once(writer, 'exit');
  for await (const line of createInterface({ input: writer.stdout as NodeJS.ReadableStream })) {
    lines.push(line);
    if (lines.length === 1) await meanwhile?.();
    if (lines.length === batches + 1) writer.kill('SIGKILL');
  }
  expect((await exit)[1]).toBe('SIGKILL');
  return lines;
}

test('what a process reported durable is there after it was killed, and its lock is not', async () => {
  using directory = temporaryDirectory();
  let durable = 0;
  for (const batches of [25, 60, 10]) {
    const lines = await killAfter(startWriter(directory.path), batches, async () => {
      await expect(openStorage(directory.path, OPTIONS)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
    });
    const [, start, ...state] = (lines[0] as string).split(' ');
    expect(state.join(' ')).toBe('sound');
    // Reported by the life before: this one found it all.
    expect(Number(start)).toBeGreaterThanOrEqual(durable);
    durable = Number(lines.at(-1));
    expect(durable).toBeGreaterThan(Number(start));
  }
  const storage = await openStorage(directory.path, OPTIONS);
  const { damage, groups } = storage.recovered;
  expect(damage).toBeNull();
  const entries = groups.get(G0)?.entries ?? [];
  expect(entries.length).toBeGreaterThanOrEqual(durable);
  expect(entries.every((e, i) => e.index === i + 1)).toBe(true);
  await storage.close();
  await using again = await openFiles(directory.path);
  expect(again.storage.recovered.groups.get(G0)?.entries).toHaveLength(entries.length);
});
