import { describe, expect, it } from 'vitest';
import type { FileOps, OpenFile } from '../../src/storage/fileOps.ts';
import { SimDisk, VOLUME } from './disk.ts';
import { Random } from './random.ts';
import { settled, startProcess } from './testing.ts';
import { World } from './world.ts';

const PLAN = { capacityBytes: 1_000_000, ioMs: 0.1, syncMinMs: 1, syncMaxMs: 2 };
const PATH = `${VOLUME}/file`;

function setUp(seed = 1) {
  const world = new World(seed);
  const disk = new SimDisk(new Random(seed), PLAN);
  const run = <T>(work: (ops: FileOps) => Promise<T>): Promise<T> =>
    settled(world, work(disk.mount(startProcess(world).process)));
  const contents = (): Promise<string> =>
    run(async (ops) => {
      const file = await ops.open(PATH, 'read');
      const bytes = new Uint8Array(await file.size());
      await file.read(bytes, 0);
      return Buffer.from(bytes).toString();
    });
  const create = (work: (file: OpenFile) => Promise<void>): Promise<void> =>
    run(async (ops) => {
      const file = await ops.open(PATH, 'create');
      await work(file);
      await ops.syncDirectory(VOLUME);
    });
  return { world, disk, run, contents, create };
}

describe('a simulated disk', () => {
  it('keeps through a power failure what was synced', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { disk, contents, create } = setUp(seed);
      await create(async (file) => {
        await file.write([Buffer.from('abc'), Buffer.from('def')], 0);
        await file.sync();
        await file.write([Buffer.from('x')], 0);
      });
      expect(await contents()).toBe('xbcdef');
      disk.powerFailure();
      expect(['abcdef', 'xbcdef']).toContain(await contents());
    }
  });

  it('loses any part of what was not synced, and any name of which the directory was not', async () => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 60; seed++) {
      const { disk, run } = setUp(seed);
      await run(async (ops) => {
        const file = await ops.open(PATH, 'create');
        await file.write([Buffer.alloc(512, 'a'), Buffer.alloc(512, 'b')], 0);
      });
      disk.powerFailure();
      const names = await run((ops) => ops.list(VOLUME));
      if (names.length === 0) outcomes.add('no name');
      else {
        const medium = disk.tree.open(PATH).medium.toString();
        outcomes.add(`${medium.includes('a') ? 'a' : ''}${medium.includes('b') ? 'b' : ''}`);
      }
    }
    expect([...outcomes].sort()).toEqual(['', 'a', 'ab', 'b', 'no name']);
  });

  it('shows what a failed sync left out until the power fails, whatever is synced afterwards', async () => {
    let gone = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const { disk, contents, create } = setUp(seed);
      await create(async (file) => {
        await file.write([Buffer.from('old')], 0);
        await file.sync();
        await file.write([Buffer.from('new')], 0);
        disk.failNext.sync = 1;
        await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
        await file.sync();
      });
      expect(await contents()).toBe('new');
      disk.powerFailure();
      if ((await contents()) === 'old') gone += 1;
    }
    expect(gone).toBeGreaterThan(5);
  });

  it('promises of a sync only what was written when it began', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { disk, contents, create } = setUp(seed);
      await create(async (file) => {
        await file.write([Buffer.from('aaa')], 0);
        const sync = file.sync();
        await file.write([Buffer.from('bbb')], 3);
        await sync;
      });
      disk.powerFailure();
      seen.add(await contents());
    }
    expect([...seen].sort()).toEqual(['aaa', 'aaabbb']);
  });

  it("promises of a directory's sync only the names that were there when it began", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { disk, run } = setUp(seed);
      await run(async (ops) => {
        await ops.open(PATH, 'create');
        const sync = ops.syncDirectory(VOLUME);
        await ops.open(`${PATH}-2`, 'create');
        await sync;
      });
      disk.powerFailure();
      seen.add((await run((ops) => ops.list(VOLUME))).join(' '));
    }
    expect([...seen].sort()).toEqual(['file', 'file file-2']);
  });

  it('knows the errors that it gave to the process of now, as a cause too, and no other ones', async () => {
    const { disk, create } = setUp();
    let error: unknown;
    await create(async (file) => {
      disk.failNext.write = 1;
      error = await file.write([Buffer.from('x')], 0).catch((reason: unknown) => reason);
    });
    expect(error).toMatchObject({ code: 'EIO' });
    expect(disk.hasCaused(new Error('the log cannot be written', { cause: error }))).toBe(true);
    expect(disk.hasCaused(new Error('something else entirely'))).toBe(false);
    expect(disk.hasCaused(Object.assign(new Error('not from here'), { code: 'EIO' }))).toBe(false);
    disk.beforeStart();
    expect(disk.hasCaused(error)).toBe(false);
  });

  it('answers a dead process nothing, and may still do what it was asked for', async () => {
    const seen = new Set<boolean>();
    for (let seed = 1; seed <= 40; seed++) {
      const { world, disk, create, contents } = setUp(seed);
      await create((file) => file.write([Buffer.from('old')], 0));
      const { process } = startProcess(world);
      const file = await settled(world, disk.mount(process).open(PATH, 'log'));
      let answered = false;
      void file.write([Buffer.from('new')], 0).then(() => {
        answered = true;
      });
      process.die('killed');
      seen.add((await contents()) === 'new' || (await contents()) === 'new');
      expect(answered).toBe(false);
    }
    expect(seen.size).toBe(2);
  });

  it('is full when others fill it', async () => {
    const { disk, create } = setUp();
    disk.foreignBytes = PLAN.capacityBytes - 10;
    await create(async (file) => {
      await expect(file.write([Buffer.alloc(11)], 0)).rejects.toMatchObject({ code: 'ENOSPC' });
      await file.write([Buffer.alloc(10)], 0);
    });
  });
});
