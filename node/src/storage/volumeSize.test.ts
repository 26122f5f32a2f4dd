import { expect, test } from 'vitest';
import { unsyncedFileOps } from './nodeFileOps.ts';
import { temporaryDirectory } from './testing/storageFixture.ts';
import { segmentBytesFor } from './volumeSize.ts';

const MIB = 1024 * 1024;
const sized = (total: number) => ({ ...unsyncedFileOps, totalBytes: () => Promise.resolve(total) });

test.each([
  ['100 GiB', 100 * 1024 * MIB, 64],
  ['1 GiB', 1024 * MIB, 64],
  ['600 MiB', 600 * MIB, 37],
  ['64 MiB', 64 * MIB, 4],
  ['24 MiB', 24 * MIB, 1],
  ['of no known size', 0, 64],
])('a volume of %s', async (_, total, expected) => {
  using directory = temporaryDirectory();
  expect(await segmentBytesFor(directory.path, 64 * MIB, sized(total))).toBe(expected * MIB);
  expect(await segmentBytesFor(directory.path, MIB, sized(total))).toBe(MIB);
});

test('a volume too small for anything is refused in words', async () => {
  using directory = temporaryDirectory();
  await expect(segmentBytesFor(directory.path, 64 * MIB, sized(8 * MIB))).rejects.toMatchObject({
    code: 'CONFIG',
    message: expect.stringMatching(/holds 8 MiB; a member needs at least 16 MiB/),
  });
});
