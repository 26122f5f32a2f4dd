import type { SimProcess } from '../world/process.ts';
import type { Arena, Blow } from './arena.ts';
import { strand } from './networkBlows.ts';
import type { FaultName } from './plan.ts';

export function machineBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  return {
    kill: () => kill(arena),
    killAtEffect: () => killAtEffect(arena),
    power: () => arena.victim().powerFailure(arena.lastingMs()),
    blackout: () => blackout(arena),
    pause: () => pauseMember(arena),
    clientPause: () => pauseClient(arena),
    clientKill: () => killClient(arena),
    wildClock: () => shiftClock(arena),
  };
}

function kill(arena: Arena): boolean {
  const slot = arena.victim();
  const hit = slot.process !== null;
  if (arena.random.chance(0.3)) slot.stayDown(arena.lastingMs());
  slot.kill('killed');
  return hit;
}

function killAtEffect(arena: Arena): false {
  const slot = arena.victim();
  const effects = Math.floor(arena.random.logBetween(1, 500));
  arena.note(`${slot.host} dies after ${effects} effects`);
  slot.process?.dieAfterEffects(effects, () => arena.struck('killAtEffect'));
  return false;
}

function blackout(arena: Arena): void {
  for (const slot of arena.slots) if (slot.wanted) slot.powerFailure(arena.random.between(10, 3_000));
}

function pauseMember(arena: Arena): boolean {
  const { random } = arena;
  const { host, process } = arena.victim();
  if (process === null) return false;
  const ms = pause(arena, host, process);
  // It may lead no more and not hear of it for a while: what it promises then must not count.
  if (random.chance(0.4)) strand(arena, host, ms + random.logBetween(50, 5_000));
  return true;
}

function pauseClient(arena: Arena): boolean {
  const { host, process } = arena.random.pick(arena.clients);
  pause(arena, host, process);
  return process.alive;
}

/** Its session and all that it held stay until the members give up on it. */
function killClient(arena: Arena): boolean {
  const { random, clients, options } = arena;
  const client = random.pick(clients);
  const silently = random.chance(0.4);
  const ms = random.logBetween(20, 5_000);
  if (!client.process.alive) return false;
  arena.note(`${client.host} is killed${silently ? ' and nobody is told' : ''}`);
  client.kill(silently);
  // Also when all is mended meanwhile: somebody must be there to be served.
  options.world.after(ms, () => client.restart());
  return true;
}

function pause(arena: Arena, host: string, process: SimProcess): number {
  const ms = arena.lastingMs();
  arena.note(`${host} stands still for ${Math.round(ms)} ms`);
  process.pause();
  arena.later(ms, () => process.resume());
  return ms;
}

function shiftClock(arena: Arena): boolean {
  const { random, slots, options } = arena;
  const { wildClocks } = options.plan;
  if (wildClocks.length === 0) return false;
  const slot = slots[random.pick(wildClocks).ordinal];
  if (slot?.wanted !== true) return false;
  const byMs = random.between(-1, 1) * random.logBetween(100, 1e8);
  arena.note(`the wall clock of ${slot.host} jumps by ${Math.round(byMs)} ms`);
  slot.shiftWall(byMs);
  return true;
}
