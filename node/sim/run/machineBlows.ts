import type { SimProcess } from '../world/process.ts';
import type { Arena, Blow } from './arena.ts';
import { strand } from './networkBlows.ts';
import { type FaultName, WILD_ORDINAL } from './plan.ts';

export function machineBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  return {
    kill: () => kill(arena),
    killAtEffect: () => killAtEffect(arena),
    power: () => arena.victim().powerFailure(arena.lastingMs()),
    blackout: () => blackout(arena),
    pause: () => pauseMember(arena),
    clientPause: () => pauseClient(arena),
    wildClock: () => shiftClock(arena),
  };
}

function kill(arena: Arena): void {
  const slot = arena.victim();
  if (arena.random.chance(0.3)) slot.stayDown(arena.lastingMs());
  slot.kill('killed');
}

function killAtEffect(arena: Arena): void {
  const slot = arena.victim();
  const effects = Math.floor(arena.random.logBetween(1, 500));
  arena.note(`${slot.host} dies after ${effects} effects`);
  slot.process?.dieAfterEffects(effects);
}

function blackout(arena: Arena): void {
  for (const slot of arena.slots) if (slot.wanted) slot.powerFailure(arena.random.between(10, 3_000));
}

function pauseMember(arena: Arena): void {
  const { random } = arena;
  const { host, process } = arena.victim();
  if (process === null) return;
  const ms = pause(arena, host, process);
  // It may lead no more and not hear of it for a while: what it promises then must not count.
  if (random.chance(0.4)) strand(arena, host, ms + random.logBetween(50, 5_000));
}

function pauseClient(arena: Arena): void {
  const { host, process } = arena.random.pick(arena.clients);
  pause(arena, host, process);
}

function pause(arena: Arena, host: string, process: SimProcess): number {
  const ms = arena.lastingMs();
  arena.note(`${host} stands still for ${Math.round(ms)} ms`);
  process.pause();
  arena.later(ms, () => process.resume());
  return ms;
}

function shiftClock(arena: Arena): void {
  const { random, slots, options } = arena;
  const slot = slots[WILD_ORDINAL];
  // Only a minority's clocks may be wrong, or the cluster's time is wrong too.
  if (slot === undefined || options.plan.members < 3 || options.operator.members < 3) return;
  const byMs = random.between(-1, 1) * random.logBetween(100, 1e8);
  arena.note(`the wall clock of ${slot.host} jumps by ${Math.round(byMs)} ms`);
  slot.process?.shiftWall(byMs);
}
