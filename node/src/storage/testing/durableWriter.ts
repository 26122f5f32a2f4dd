/** A process for tests to kill: writes batches for as long as it lives and prints the index of each durable one. */
import type { GroupId } from '@synccluster/client/protocol';
import { openStorage } from '../openStorage.ts';
import { entriesRecord } from './storageFixture.ts';

const directory = process.argv[2] ?? '';
const storage = await openStorage(directory, {
  segmentBytes: 256 * 1024,
  reserveBytes: 0,
  onFatal: (error) => {
    throw error;
  },
});
const group = 0 as GroupId;
let last = storage.recovered.groups.get(group)?.entries.at(-1)?.index ?? 0;
process.stdout.write(`open ${last} ${storage.recovered.damage?.reason ?? 'sound'}\n`);

/** Several in flight, so that a batch holds more than one. */
function writeNext(): void {
  const first = last + 1;
  last += 3;
  const end = last;
  storage.wal.write([entriesRecord(group, first, end, 1, Buffer.alloc(first % 7000, 'd'))], () => {
    process.stdout.write(`${end}\n`);
    writeNext();
  });
}
for (let i = 0; i < 4; i++) writeNext();
