import type { GroupId } from '@synccluster/client/protocol';
import type { Arena, Blow } from './arena.ts';
import { RETURN_MS } from './mending.ts';
import { strand } from './networkBlows.ts';
import type { FaultName } from './plan.ts';

/** How long somebody watches for a change of the configuration, and how closely. */
const CHANGE_MS = 3_000;
const WATCH_MS = 0.2;

/** What people and operators do to a cluster. */
export function clusterBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  return {
    transfer: () => transfer(arena),
    handover: () => handover(arena),
    restart: () => arena.victim().restart(),
    forcedRecovery: () => forceRecovery(arena),
    scale: () => scale(arena),
    cutAtChange: () => cutAtChange(arena),
  };
}

async function transfer(arena: Arena): Promise<boolean> {
  const { random, slots } = arena;
  const slot = arena.victim();
  const { running, process } = slot;
  if (running === null || process === null) return false;
  const groups = [...running.member.groups.values()].filter((group) => group.isLeader);
  const targets = slots.filter((other) => other.wanted && other !== slot && other.memberId !== 0);
  if (groups.length === 0 || targets.length === 0) return false;
  const group: GroupId = random.pick(groups).id;
  const to = random.pick(targets);
  arena.note(`group ${group} is to go from ${slot.host} to ${to.host}`);
  await process.call(() => running.service.transfer(group, to.memberId));
  return true;
}

async function handover(arena: Arena): Promise<boolean> {
  const { host, running, process } = arena.victim();
  if (running === null || process === null) return false;
  arena.note(`${host} is to give everything away`);
  await process.call(() => running.service.handover());
  return true;
}

/** Of the lost cluster, fewer volumes than a quorum ever come back: as people must see to. */
async function forceRecovery(arena: Arena): Promise<boolean> {
  const { random, heldBack, slots } = arena;
  const { operator, world } = arena.options;
  if (!(await arena.turn('forcedRecovery'))) return false;
  const survivor = arena.victim();
  const { wildClocks } = arena.options.plan;
  // Alone, its clock is the cluster's, and soon a third of it: with a wrong one, or two of three, nothing is promised.
  if (wildClocks.length > 1 || survivor.ordinal === wildClocks[0]?.ordinal) return false;
  if (!arena.stake(survivor)) return false;
  survivor.spoilt = false;
  const others = random.shuffled(slots.filter((slot) => slot.wanted && slot !== survivor));
  const returning = random.below(Math.floor(operator.members / 2) + 1);
  arena.note(`only ${survivor.host} is left; ${returning} others will come back with what they had`);
  for (const [at, slot] of others.entries()) {
    heldBack.add(slot);
    slot.powerFailure(Number.POSITIVE_INFINITY);
    if (at >= returning) slot.loseVolume();
  }
  operator.recoverFrom(survivor);
  while (operator.recovering) await world.sleep(100);
  for (const slot of others) {
    await world.sleep(random.between(0, RETURN_MS));
    heldBack.delete(slot);
    slot.comeBack();
  }
  return true;
}

function scale(arena: Arena): boolean {
  const { operator, plan } = arena.options;
  if (!operator.settled || arena.volumeAtStake) return false;
  // The clock of the only member is the cluster's: with a wrong one, nothing is promised.
  const sizes = plan.faults.has('wildClock') ? [3, 5] : [1, 3, 5];
  operator.scale(arena.random.pick(sizes.filter((members) => members !== operator.members)));
  return true;
}

/** The entry of the change is in one log only, and will be replaced. */
async function cutAtChange(arena: Arena): Promise<boolean> {
  const { random, slots } = arena;
  const { world } = arena.options;
  const ms = random.between(1_000, 8_000);
  scale(arena);
  const dueMs = world.nowMs + CHANGE_MS;
  while (world.nowMs < dueMs && !arena.over) {
    const changing = slots.find(({ running }) =>
      [...(running?.member.groups.values() ?? [])].some(({ core }) => {
        const { role, configurationIndex, commit } = core.status();
        return role === 'leader' && configurationIndex > commit;
      }),
    );
    if (changing !== undefined) {
      strand(arena, changing.host, ms);
      return true;
    }
    await world.sleep(WATCH_MS);
  }
  return false;
}
