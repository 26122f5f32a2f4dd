import { COORDINATION_GROUP, type GroupId } from '@synccluster/client/protocol';
import type { MemberSlot } from '../world/slot.ts';
import { type Arena, type Blow, between } from './arena.ts';
import type { FaultName } from './plan.ts';

/** A turn of whoever watches for the moment to strike. */
const WATCH_MS = 0.1;
/** Until a handover that was asked for comes to an election, or never does. */
const HANDOVER_MS = 500;
/** Leaders look for silent sessions this often, at least. */
const SCAN_MS = 250;
/** What was held up by a cut flows within this once the cut is over. */
const FLOW_MS = 1_000;
/** The client gives a lease up by so much earlier than the members. */
const DRIFT = 0.05;

/** Races of clients that count on a lease against members that end it. What they need is timed by the lease itself. */
export function leaseBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  let racing = false;
  // Each race is timed: another one in between only spoils it.
  const alone = (race: (arena: Arena) => Promise<boolean>) => async (): Promise<boolean> => {
    if (racing) return false;
    racing = true;
    try {
      return await race(arena);
    } finally {
      racing = false;
    }
  };
  return {
    cutAtTransfer: alone(cutAtTransfer),
    leadershipBack: alone(leadershipBack),
    lateKeepalives: alone(lateKeepalives),
    lateAnswers: alone(lateAnswers),
  };
}

/**
 * The successor grants every session a full lease from its election on; the old leader hears of nothing for as long as
 * it takes to miss its quorum, and clients on its side go on renewing with it.
 */
async function cutAtTransfer(arena: Arena): Promise<boolean> {
  const { random, clients, options } = arena;
  const { world, plan } = options;
  // Mostly that of locks; that of others serves old reads.
  const group = random.chance(0.6) ? COORDINATION_GROUP : ((1 + random.below(plan.shards)) as GroupId);
  const pair = leaderAndSuccessor(arena, group);
  if (pair === null) return false;
  const { leader, successor } = pair;
  const along = clients.map(({ host }) => host).filter(() => random.chance(0.6));
  const ms = plan.sessionTtlMs * random.between(1, 2) + 2_000;
  await handOver(arena, group, leader, successor);
  const dueMs = world.nowMs + HANDOVER_MS;
  while (world.nowMs < dueMs && !campaigns(successor, group)) await world.sleep(WATCH_MS);
  arena.note(`${[leader.host, ...along].join(' ')} are left alone for ${Math.round(ms)} ms`);
  arena.cut(
    between(
      [leader.host, ...along],
      arena.hosts().filter((host) => host !== leader.host),
    ),
    ms,
  );
  await world.sleep(ms);
  return true;
}

/**
 * Whatever a leader remembers of leases from the last time is old by then, and clients that are cut off at that moment
 * go by what the other leader confirmed.
 */
async function leadershipBack(arena: Arena): Promise<boolean> {
  const { random, clients, options } = arena;
  const group = COORDINATION_GROUP;
  const pair = leaderAndSuccessor(arena, group);
  if (pair === null) return false;
  const { leader, successor } = pair;
  const { sessionTtlMs } = options.plan;
  const awayMs = sessionTtlMs * random.between(1, 2);
  const victims = clients.map(({ host }) => host).filter(() => random.chance(0.7));
  await handOver(arena, group, leader, successor);
  await options.world.sleep(awayMs);
  const now = leaderOf(arena, group);
  if (arena.over || now === null || now === leader || !leader.wanted) return false;
  arena.note(`${victims.join(' ')} are cut off for ${sessionTtlMs} ms`);
  arena.cut(between(victims, arena.hosts()), sessionTtlMs);
  await handOver(arena, group, now, leader);
  await options.world.sleep(2 * sessionTtlMs);
  return true;
}

/**
 * Nothing comes from the clients until their leases are over, and the entry that says so waits for slow disks; then
 * keepalives arrive, and right after it the clients hear of nothing any more.
 */
async function lateKeepalives(arena: Arena): Promise<boolean> {
  const { random, clients, options } = arena;
  const { world, plan, network } = options;
  const { sessionTtlMs, disk } = plan;
  const victims = clients.map(({ host }) => host).filter(() => random.chance(0.8));
  const members = arena.hosts();
  const silentMs = sessionTtlMs + SCAN_MS - FLOW_MS * random.between(0.2, 0.6);
  const slowMs = sessionTtlMs * random.between(0.3, 0.6);
  const leader = leaderOf(arena, COORDINATION_GROUP);
  arena.note(
    `nothing from ${victims.join(' ')} for ${Math.round(silentMs)} ms, slow disks, then nothing to them`,
  );
  const toMembers = victims.flatMap((from) => members.map((to): [string, string] => [from, to]));
  arena.cut(toMembers, silentMs);
  const slow = arena.slots.filter((slot) => slot.wanted && slot !== leader).map((slot) => slot.disk);
  await world.sleep(Math.max(0, sessionTtlMs - 200));
  if (arena.over) return false;
  for (const one of slow) one.slowness = slowMs / ((disk.syncMinMs + disk.syncMaxMs) / 2);
  arena.later(SCAN_MS + 2 * slowMs + 200, () => {
    for (const one of slow) one.slowness = 1;
  });
  await world.sleep(silentMs + FLOW_MS - sessionTtlMs + 250);
  if (arena.over) return false;
  for (const [from, to] of toMembers) network.link(from, to).block();
  arena.cut(
    toMembers.map(([client, member]): [string, string] => [member, client]),
    2 * sessionTtlMs,
  );
  arena.later(2 * sessionTtlMs, () => {
    for (const [from, to] of toMembers) network.link(from, to).unblock();
  });
  await world.sleep(3 * sessionTtlMs);
  return true;
}

/**
 * First nothing comes from the clients any more, while answers to what came before are still on their way. One that
 * counted from those would count on its lease for longer than the members do, and hears of its end as late.
 */
async function lateAnswers(arena: Arena): Promise<boolean> {
  const { random, clients, options } = arena;
  const { world, plan, network } = options;
  const { sessionTtlMs } = plan;
  const victims = clients.map(({ host }) => host).filter(() => random.chance(0.7));
  const members = arena.hosts();
  // The renewal after it still comes in time: who counts right never doubts its lease before the cut.
  const lateMs = sessionTtlMs * random.between(0.3, 2 / 3 - 2 * DRIFT);
  const forMs = sessionTtlMs * random.between(1, 2) + lateMs;
  arena.note(`${victims.join(' ')} hear of everything ${Math.round(lateMs)} ms late, then are cut off`);
  const toMembers = victims.flatMap((from) => members.map((to): [string, string] => [from, to]));
  const clog = (ms: number): void => {
    for (const [client, member] of toMembers) network.link(member, client).clogMs = ms;
  };
  clog(lateMs);
  await world.sleep(forMs);
  if (arena.over) return false;
  arena.cut(toMembers, 2 * sessionTtlMs);
  await world.sleep(2 * sessionTtlMs);
  if (!arena.over) clog(0);
  return true;
}

/** Of several who think so, the one that was elected last. */
function leaderOf({ slots }: Arena, group: GroupId): MemberSlot | null {
  let found: MemberSlot | null = null;
  let term = 0;
  for (const slot of slots) {
    const core = slot.running?.member.groups.get(group)?.core;
    if (core === undefined || core.role !== 'leader' || core.term <= term) continue;
    found = slot;
    ({ term } = core);
  }
  return found;
}

function leaderAndSuccessor(
  arena: Arena,
  group: GroupId,
): { leader: MemberSlot; successor: MemberSlot } | null {
  const leader = leaderOf(arena, group);
  const others = arena.slots.filter((slot) => slot !== leader && slot.wanted && slot.running !== null);
  if (leader === null || others.length === 0) return null;
  return { leader, successor: arena.random.pick(others) };
}

async function handOver(arena: Arena, group: GroupId, from: MemberSlot, to: MemberSlot): Promise<void> {
  const { running, process } = from;
  if (running === null || process === null) return;
  arena.note(`group ${group} is to go from ${from.host} to ${to.host}`);
  await process.call(() => running.service.transfer(group, to.memberId));
}

/** It was told to, or leads already. */
function campaigns({ running }: MemberSlot, group: GroupId): boolean {
  const role = running?.member.groups.get(group)?.core.role;
  return role === 'candidate' || role === 'leader';
}
