import { closeSync, fdatasyncSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../stats/summary.ts';

/** What one write-and-fdatasync costs on the disk under `dir`, alone: the floor under every durable write. */
export function measureFdatasync(
  dir: string,
  times = 200,
  bytes = 4096,
): { medianNs: number; p99Ns: number } {
  const path = join(dir, `.fdatasync-${process.pid}`);
  const file = openSync(path, 'w');
  try {
    // Written in advance, as a log's segment is: otherwise each sync would also pay for a new size.
    writeSync(file, Buffer.alloc(bytes * times));
    fsyncSync(file);
    const block = Buffer.alloc(bytes, 1);
    const samples: number[] = [];
    for (let index = 0; index < times; index++) {
      const begun = process.hrtime.bigint();
      writeSync(file, block, 0, bytes, index * bytes);
      fdatasyncSync(file);
      samples.push(Number(process.hrtime.bigint() - begun));
    }
    samples.sort((a, b) => a - b);
    return { medianNs: median(samples), p99Ns: samples[Math.floor(samples.length * 0.99)]! };
  } finally {
    closeSync(file);
    unlinkSync(path);
  }
}
