import { describe, expect, it } from 'vitest';
import { settle, VirtualClock } from '../testing/virtualClock.ts';
import { WorkQueue } from './workQueue.ts';

function setup(work: (key: string) => Promise<number | null>, workers = 1) {
  const clock = new VirtualClock();
  const worked: { key: string; atMs: number }[] = [];
  const delays: number[] = [];
  const queue = new WorkQueue({
    clock,
    workers,
    backoffMinMs: 100,
    backoffMaxMs: 1000,
    work: (key) => {
      worked.push({ key, atMs: clock.now() });
      return work(key);
    },
    onError: (_key, _error, retryInMs) => delays.push(retryInMs),
  });
  return { clock, worked, delays, queue, keys: () => worked.map(({ key }) => key) };
}
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('the work queue', () => {
  it('works once on a key that was added often while it waited', async () => {
    const busy = gate();
    const { queue, keys } = setup(async (key) => {
      if (key === 'first') await busy.opened;
      return null;
    });
    queue.add('first');
    for (let i = 0; i < 5; i++) queue.add('second');
    expect(queue.depth).toBe(1);
    busy.open();
    await settle();
    expect(keys()).toEqual(['first', 'second']);
  });

  it('works again on a key that was added while it was worked on, and never twice at once', async () => {
    let busy = gate();
    let running = 0;
    let most = 0;
    const { queue, keys } = setup(async () => {
      most = Math.max(most, ++running);
      await busy.opened;
      running--;
      return null;
    }, 4);
    queue.add('a');
    queue.add('a');
    queue.add('a');
    const first = busy;
    busy = gate();
    first.open();
    await settle();
    expect(keys()).toEqual(['a', 'a']);
    busy.open();
    await settle();
    expect(most).toBe(1);
    expect(keys()).toHaveLength(2);
  });

  it('backs off a failing key, up to a limit, without holding up another', async () => {
    const { clock, worked, delays, queue } = setup(async (key) => {
      if (key === 'bad') throw new Error('no');
      return null;
    });
    queue.add('bad');
    await clock.advance(50);
    queue.add('good');
    await clock.advance(5000);
    expect(delays.slice(0, 6)).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(worked.find(({ key }) => key === 'good')?.atMs).toBe(50);
  });

  it('does not let news hurry a failing key', async () => {
    const { clock, worked, queue } = setup(async () => {
      throw new Error('no');
    });
    queue.add('bad');
    await clock.advance(10);
    queue.add('bad');
    await clock.advance(10);
    expect(worked).toHaveLength(1);
    await clock.advance(100);
    expect(worked).toHaveLength(2);
  });

  it('comes back when the work asked for it, or earlier on news', async () => {
    const { clock, worked, queue } = setup(async () => 1000);
    queue.add('a');
    await clock.advance(400);
    queue.add('a');
    await clock.advance(1000);
    expect(worked.map(({ atMs }) => atMs)).toEqual([0, 400, 1400]);
  });

  it('works on as many keys at once as it has workers', async () => {
    const busy = gate();
    const { queue, keys } = setup(async () => {
      await busy.opened;
      return null;
    }, 2);
    for (const key of ['a', 'b', 'c']) queue.add(key);
    expect(keys()).toEqual(['a', 'b']);
    busy.open();
    await settle();
    expect(keys()).toEqual(['a', 'b', 'c']);
  });

  it('stops after what is being worked on, and begins nothing more', async () => {
    const busy = gate();
    const { clock, queue, keys } = setup(async () => {
      await busy.opened;
      return 10;
    });
    queue.add('a');
    queue.add('b');
    let stopped = false;
    const stop = queue.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    busy.open();
    await stop;
    queue.add('c');
    await clock.advance(1000);
    expect(keys()).toEqual(['a']);
    expect(clock.untilNextMs).toBeNull();
  });
});
