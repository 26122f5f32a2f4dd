import { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** A process with true clocks. */
export function startProcess(world: World, name = 'p'): { process: SimProcess; deaths: string[] } {
  const deaths: string[] = [];
  const process = new SimProcess(world, {
    name,
    random: world.random.split(name),
    clock: { rate: 1, wallOffsetMs: 0, turnMs: 0 },
    onDeath: (why) => deaths.push(why),
    onUncaught: (error) => world.fail(error),
  });
  return { process, deaths };
}

/** Lets the world go on for so long. */
export async function pass(world: World, ms: number): Promise<void> {
  let over = false;
  world.after(ms, () => {
    over = true;
  });
  await world.run(() => over);
}

/** Lets the world go on until the promise is settled. */
export async function settled<T>(world: World, work: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  work.then(end, end);
  // Something always happens, so that a promise nobody settles ends the wait with an error of the run.
  const alarm = world.after(3_600_000, () => world.fail(new Error('waited for an hour')));
  await world.run(() => over);
  alarm.cancelled = true;
  return work;
}
