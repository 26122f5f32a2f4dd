import { describeSpoil, misdirect, rot } from '../world/spoil.ts';
import type { Arena, Blow } from './arena.ts';
import type { FaultName } from './plan.ts';

export function diskBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  return {
    slowDisk: () => slow(arena),
    diskError: () => error(arena),
    fullDisk: () => fill(arena),
    bitRot: () => spoil(arena, 'bitRot', rot),
    misdirectedWrite: () => spoil(arena, 'misdirectedWrite', misdirect),
    lostVolume: () => lose(arena),
  };
}

function slow(arena: Arena): void {
  const { host, disk } = arena.victim();
  disk.slowness = arena.random.logBetween(10, 500);
  const ms = arena.lastingMs();
  arena.note(`the disk of ${host} is slow for ${Math.round(ms)} ms`);
  arena.later(ms, () => {
    disk.slowness = 1;
  });
}

function error(arena: Arena): false {
  const slot = arena.victim();
  const kind = arena.random.pick(['sync', 'sync', 'write', 'read'] as const);
  // What cannot be read counts as lost, and one volume at a time may be.
  if (kind === 'read' && !arena.stake(slot)) return false;
  arena.note(`a ${kind} of ${slot.host} is to fail`);
  slot.disk.failNext[kind] += 1;
  slot.disk.onFailure = () => arena.struck('diskError');
  return false;
}

function fill(arena: Arena): boolean {
  const { host, disk } = arena.victim();
  const takes = Math.max(0, disk.freeBytes - Math.floor(arena.random.logBetween(1, 4_000_000)));
  const ms = arena.lastingMs();
  arena.note(`others fill the volume of ${host} for ${Math.round(ms)} ms`);
  disk.foreignBytes += takes;
  arena.later(ms, () => {
    disk.foreignBytes = Math.max(0, disk.foreignBytes - takes);
  });
  return takes > 0;
}

async function spoil(arena: Arena, fault: FaultName, how: typeof rot): Promise<boolean> {
  if (!(await arena.turn(fault))) return false;
  const slot = arena.victim();
  if (!arena.stake(slot)) return false;
  const what = how(slot.disk, arena.random);
  if (what === null) {
    slot.spoilt = false;
    return false;
  }
  arena.note(`${slot.host}: ${describeSpoil(what)} is spoilt`);
  // Found out when it is read: mostly soon.
  if (arena.random.chance(0.8)) slot.kill('killed');
  return true;
}

async function lose(arena: Arena): Promise<boolean> {
  if (!(await arena.turn('lostVolume'))) return false;
  const slot = arena.victim();
  if (!arena.stake(slot)) return false;
  slot.loseVolume();
  return true;
}
