import { describe, expect, it } from 'vitest';
import { CLAIMS, CONFIG_MAPS, DISRUPTION_BUDGETS, PODS, STATEFUL_SETS } from '../api/kinds.ts';
import { KubeError } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import { FakeWorld, NAME } from '../testing/fakeWorld.ts';
import { MemberCallError } from './memberClient.ts';
import { createClusterReconciler } from './reconciler.ts';

const silent: Logger = { info() {}, warn() {}, error() {}, child: () => silent };
class Died extends Error {}

function operator(world: FakeWorld) {
  let ids = 0;
  return createClusterReconciler({
    kube: world.kube,
    client: world.client,
    logger: silent,
    newClusterId: () => `cluster-${++ids}-${world.foundings}`,
    now: () => new Date(0),
    secondLookMs: 0,
  });
}

/** What must hold whatever the operator does. */
function checkInvariants(world: FakeWorld): void {
  expect(world.foundings).toBeLessThanOrEqual(1);
  const highest = Math.max(
    -1,
    ...world.groups.flatMap((group) => group.voters.map((voter) => voter.ordinal)),
  );
  if (world.kube.peek(STATEFUL_SETS, world.key) !== null) expect(world.replicas).toBeGreaterThan(highest);
  for (const group of world.groups) {
    const running = group.voters.filter((voter) => world.runs(voter.id)).length;
    expect(running).toBeGreaterThan(group.voters.length / 2);
  }
}

/** `Settled` may be told of a generation only when all that can be seen is as that generation says. */
function checkTruth(world: FakeWorld): void {
  const { status, spec, metadata } = world.cluster;
  const settled = status?.conditions?.find(({ reason }) => reason === 'Settled');
  if (settled === undefined || settled.observedGeneration !== metadata.generation) return;
  const pods = world.kube.all(PODS);
  const template = world.kube.peek(STATEFUL_SETS, world.key)?.spec.template;
  expect(pods.map((pod) => pod.metadata.name).sort()).toEqual(
    Array.from({ length: spec.members }, (_, ordinal) => `${NAME}-${ordinal}`),
  );
  expect(status?.readyReplicas).toBe(spec.members);
  expect(world.replicas).toBe(spec.members);
  if (spec.image !== undefined) expect(template?.spec.containers[0]?.image).toBe(spec.image);
  for (const pod of pods)
    expect(pod.metadata.annotations).toMatchObject(template?.metadata.annotations ?? {});
  const budgets = world.kube.all(DISRUPTION_BUDGETS).length;
  expect(budgets).toBe(spec.members === 1 ? 0 : 1);
}

async function pass(world: FakeWorld): Promise<boolean> {
  try {
    await operator(world)(world.key);
    checkTruth(world);
    return true;
  } catch (error) {
    const expected = error instanceof Died || error instanceof KubeError || error instanceof MemberCallError;
    if (!expected) throw error;
    return false;
  }
}

async function until(
  world: FakeWorld,
  done: () => boolean,
  check = () => checkInvariants(world),
): Promise<void> {
  for (let round = 0; round < 400; round++) {
    await pass(world);
    check();
    world.step();
    check();
    if (done()) return;
  }
  throw new Error(
    `not reached; conditions ${JSON.stringify(world.cluster.status?.conditions)}, voters ${JSON.stringify(world.voterOrdinals)}, replicas ${world.replicas}`,
  );
}

const settled = (world: FakeWorld, members: number) => () =>
  world.condition('Progressing')?.reason === 'Settled' &&
  world.condition('Available')?.status === 'True' &&
  world.cluster.status?.readyReplicas === members &&
  world.replicas === members &&
  world.voterOrdinals.every(
    (voters) => voters.join() === Array.from({ length: members }, (_, i) => i).join(),
  );

async function upAndDown(world: FakeWorld): Promise<void> {
  world.createCluster({ members: 3, shards: 1 });
  await until(world, settled(world, 3));
  world.edit({ members: 5 });
  await until(world, settled(world, 5));
  world.edit({ members: 3 });
  await until(world, settled(world, 3));
  expect(world.foundings).toBe(1);
}

/** Lets the operator die at each write and call that `dies` picks, before it has effect or just after. */
function deaths(world: FakeWorld, dies: (count: number) => boolean): { count: number } {
  const seen = { count: 0 };
  const hook = (what: string) => {
    // A status only mirrors: dying at it is the same as dying before the first step.
    if (what === 'updateStatus') return;
    seen.count++;
    if (dies(seen.count)) throw new Died();
  };
  world.kube.onWrite = hook;
  world.onCall = hook;
  return seen;
}

describe('a SyncCluster', () => {
  it('is founded with 3 members, grows to 5 and shrinks to 3', async () => {
    const world = new FakeWorld();
    await upAndDown(world);
    expect(world.kube.all(CLAIMS)).toHaveLength(5);
    expect(world.kube.all(PODS)).toHaveLength(3);
  });

  it('gets there when the operator dies before any one of its steps', async () => {
    const rehearsal = new FakeWorld();
    const total = deaths(rehearsal, () => false);
    await upAndDown(rehearsal);
    expect(total.count).toBeGreaterThan(20);
    for (let victim = 1; victim <= total.count; victim++) {
      const world = new FakeWorld();
      deaths(world, (count) => count === victim);
      await upAndDown(world);
    }
  });

  it('gets there when the operator dies after each single step', async () => {
    const world = new FakeWorld();
    // Steps in turn succeed and kill: every pass ends after one step that had effect.
    deaths(world, (count) => count % 2 === 0);
    await upAndDown(world);
  });

  it('deletes the volumes of members that were scaled away when it is to', async () => {
    const world = new FakeWorld();
    world.createCluster({
      members: 3,
      storage: { size: '1Gi', medium: 'Disk', retention: { whenScaled: 'Delete', whenDeleted: 'Retain' } },
    });
    await until(world, settled(world, 3));
    world.edit({ members: 1 });
    await until(world, () => settled(world, 1)() && world.kube.all(CLAIMS).length === 1);
    expect(world.kube.all(CLAIMS).map((claim) => claim.metadata.name)).toEqual([`data-${NAME}-0`]);
  });

  it('re-admits members whose kept volumes carry removed ids', async () => {
    const world = new FakeWorld();
    await upAndDown(world);
    const removed = world.volumeOf(4)?.memberId;
    world.edit({ members: 5 });
    await until(world, settled(world, 5));
    expect(world.volumeOf(4)?.memberId).not.toBe(removed);
  });

  it('replaces a member whose volume is gone', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const lost = world.volumeOf(1)?.memberId ?? 0;
    world.loseVolume(1);
    await until(world, () => settled(world, 3)() && world.roster.tombstones.includes(lost));
    expect(world.foundings).toBe(1);
  });

  it('does not touch two lost members of three: that is for people to decide', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    world.loseVolume(1);
    world.loseVolume(2);
    const version = world.roster.version;
    await until(
      world,
      () => world.condition('Available')?.reason === 'NoLeader',
      () => {},
    );
    for (let round = 0; round < 20; round++) {
      await pass(world);
      world.step();
    }
    expect(world.roster.version).toBe(version);
    expect(world.condition('Degraded')).toMatchObject({ status: 'True', reason: 'NoLeader' });
  });

  it('says DataLost, and founds nothing, when every volume is empty', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    for (const ordinal of [0, 1, 2]) world.loseVolume(ordinal);
    await until(
      world,
      () => world.condition('Available')?.reason === 'DataLost',
      () => {},
    );
    const lost = world.clusterId ?? '';
    for (let round = 0; round < 10; round++) {
      await pass(world);
      world.step();
    }
    expect(world.foundings).toBe(1);
    world.kube.put({
      ...world.cluster,
      metadata: { ...world.cluster.metadata, annotations: { 'synccluster.io/start-anew': lost } },
    });
    await until(world, settled(world, 3), () => {});
    expect(world.foundings).toBe(2);
  });

  it('adopts volumes that hold a cluster when its own record is gone', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const clusterId = world.clusterId;
    world.kube.remove(CONFIG_MAPS, { namespace: 'test', name: `${NAME}-identity` });
    await until(world, settled(world, 3));
    expect(world.kube.peek(CONFIG_MAPS, { namespace: 'test', name: `${NAME}-identity` })?.data).toEqual({
      clusterId,
    });
  });

  it('restarts members one at a time for a new image, and never for more members', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const uids = () => world.kube.all(PODS).map((pod) => pod.metadata.uid);
    const before = uids();
    world.edit({ image: 'example/node:2' });
    const image = () => world.kube.all(PODS).map((pod) => pod.spec.containers[0]?.image);
    await until(world, () => settled(world, 3)() && image().every((name) => name === 'example/node:2'));
    expect(uids().some((uid) => before.includes(uid))).toBe(false);
    const restarted = uids();
    world.edit({ members: 5 });
    await until(world, settled(world, 5));
    expect(uids()).toEqual(expect.arrayContaining(restarted));
  });

  it('refuses to shrink while a member that would stay is away', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 5 });
    await until(world, settled(world, 5));
    world.down.add(1);
    world.edit({ members: 3 });
    await until(world, () => world.condition('Progressing')?.reason === 'ScaleDownBlocked');
    expect(world.replicas).toBe(5);
    world.down.delete(1);
    await until(world, settled(world, 3));
  });

  it('shrinks although a member that leaves is dead', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 5 });
    await until(world, settled(world, 5));
    world.down.add(4);
    world.edit({ members: 3 });
    await until(world, settled(world, 3));
  });

  it.each([
    [1, [1]],
    [1, [2]],
    [3, [3]],
    [3, [4]],
    [1, [3, 1]],
  ])('shrinks to %i although the volumes of %j, which leave, are gone', async (members, lost) => {
    const world = new FakeWorld();
    world.createCluster({ members: members === 3 || lost.length > 1 ? 5 : 3, shards: 1 });
    await until(world, () => settled(world, world.cluster.spec.members)());
    for (const ordinal of lost) world.loseVolume(ordinal);
    world.edit({ members });
    await until(world, settled(world, members));
  });

  it('puts back a StatefulSet that somebody else scaled', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const set = world.kube.peek(STATEFUL_SETS, world.key);
    if (set === null) throw new Error('no StatefulSet');
    world.kube.put({ ...set, spec: { ...set.spec, replicas: 4 } });
    await until(world, settled(world, 3));
    expect(world.kube.all(PODS)).toHaveLength(3);
  });

  it('starts anew by itself when it kept everything in memory and all pods went', async () => {
    const world = new FakeWorld();
    world.createCluster({
      members: 3,
      storage: { size: '1Gi', medium: 'Memory', retention: { whenScaled: 'Retain', whenDeleted: 'Retain' } },
    });
    await until(world, settled(world, 3), () => {});
    for (const pod of world.kube.all(PODS)) world.kube.remove(PODS, pod.metadata);
    world.groups = [];
    await until(world, settled(world, 3), () => {});
    expect(world.foundings).toBe(2);
    expect(world.kube.events.some((event) => event.reason === 'StartingAnew')).toBe(true);
  });

  it('replaces a damaged member while the others are a quorum', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const volume = world.volumeOf(2);
    if (volume === undefined) throw new Error('no volume');
    const { memberId } = volume;
    volume.damaged = 'bad checksum';
    await until(world, () => settled(world, 3)() && world.roster.tombstones.includes(memberId));
  });

  it('tells each thing that conditions have in common once', async () => {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    world.kube.events.length = 0;
    for (const ordinal of [0, 1, 2]) world.down.add(ordinal);
    await pass(world);
    expect(world.kube.events).toMatchObject([{ type: 'Warning', reason: 'MembersUnreachable' }]);
  });

  it('tells people of what the API server refuses for good', async () => {
    const world = new FakeWorld();
    world.kube.onWrite = (verb, kind) => {
      if (verb === 'apply' && kind === 'StatefulSet') throw new KubeError('Forbidden', 'quota exceeded');
    };
    world.createCluster({ members: 3 });
    await pass(world);
    const told = world.kube.events.filter(({ reason }) => reason === 'Refused');
    expect(told).toMatchObject([{ type: 'Warning', note: expect.stringContaining('quota exceeded') }]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('settles after whatever happened to it (seed %i)', async (seed) => {
    const world = new FakeWorld();
    world.createCluster({ members: 3, shards: 1 });
    await until(world, settled(world, 3));
    const random = sequence(seed);
    for (let round = 0; round < 15; round++) {
      disturb(world, random);
      for (let rest = random(12); rest > 0; rest--) {
        await pass(world);
        world.step();
      }
    }
    world.down.clear();
    await until(world, settled(world, world.cluster.spec.members), () => {});
    expect(world.foundings).toBe(1);
  });
});

/** Whole numbers below `limit`, the same for the same seed. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % limit;
  };
}

function disturb(world: FakeWorld, random: (limit: number) => number): void {
  const ordinal = random(world.replicas);
  const disturbances: (() => void)[] = [
    () => world.edit({ members: [1, 3, 5][random(3)] }),
    () => world.edit({ members: [1, 3, 5][random(3)] }),
    () => world.edit({ logLevel: ['info', 'warn', 'debug'][random(3)] }),
    () => world.down.add(ordinal),
    () => world.down.clear(),
    () => {
      // One volume of three or more whole ones: what a cluster must survive.
      if (canLoseOne(world)) world.loseVolume(ordinal);
    },
    () => world.kube.remove(CONFIG_MAPS, { namespace: 'test', name: `${NAME}-identity` }),
    () => {
      const set = world.kube.peek(STATEFUL_SETS, world.key);
      if (set !== null) world.kube.put({ ...set, spec: { ...set.spec, replicas: random(7) + 1 } });
    },
  ];
  disturbances[random(disturbances.length)]?.();
}

function canLoseOne(world: FakeWorld): boolean {
  const [first] = world.voterOrdinals;
  const whole = world.groups.every((group) => group.voters.every((voter) => world.runs(voter.id)));
  const still =
    world.groups.every((group) => group.learners.length === 0) &&
    world.voterOrdinals.every((voters) => voters.join() === first?.join()) &&
    world.roster.members.length === first?.length;
  return whole && still && (first?.length ?? 0) >= 3;
}

it('looks at a cluster that is not available as often as at one under way, for nothing else tells that it is back', async () => {
  const world = new FakeWorld();
  world.createCluster();
  await until(world, settled(world, 3));
  expect(await operator(world)(world.key)).toBe(5000);
  for (const ordinal of [0, 1, 2]) world.down.add(ordinal);
  world.step();
  for (let round = 0; round < 5; round += 1)
    expect(await operator(world)(world.key)).toBeLessThanOrEqual(500);
  expect(world.condition('Available')?.status).toBe('False');
});

describe('a node that falls silent', () => {
  /** Pod 2 as the control plane leaves it: what only a kubelet writes stays as it was. */
  async function silentNode(gate?: 'True' | 'False'): Promise<FakeWorld> {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    const key = { namespace: world.key.namespace, name: `${NAME}-2` };
    const pod = world.kube.peek(PODS, key)!;
    const conditions = [
      { type: 'ContainersReady', status: 'True' },
      { type: 'Ready', status: 'False' },
    ];
    const conditionType = 'example.com/registered';
    world.kube.put(
      gate === undefined
        ? { ...pod, status: { ...pod.status, conditions } }
        : {
            ...pod,
            spec: { ...pod.spec, readinessGates: [{ conditionType }] },
            status: { ...pod.status, conditions: [...conditions, { type: conditionType, status: gate }] },
          },
    );
    await pass(world);
    return world;
  }

  it('is not blamed for a pod that waits for a readiness gate of others', async () => {
    const world = await silentNode('False');
    expect(world.condition('Degraded')?.status).toBe('False');
    expect(world.cluster.status?.memberStatuses?.[2]).toMatchObject({
      ready: 'False',
      message: 'its pod is not ready',
    });
  });

  it('is told of where all readiness gates are passed', async () => {
    const world = await silentNode('True');
    expect(world.condition('Degraded')?.status).toBe('True');
    expect(world.cluster.status?.memberStatuses?.[2]?.message).toBe('its node is silent');
  });

  it('is told of before its pods are given up, though its member answers', async () => {
    const world = await silentNode();
    expect(world.condition('Degraded')).toMatchObject({
      status: 'True',
      reason: 'MemberUnavailable',
      message: `not ready: ${NAME}-2`,
    });
    expect(world.condition('Available')?.status).toBe('True');
    expect(world.cluster.status?.memberStatuses?.[2]).toMatchObject({
      ready: 'False',
      message: 'its node is silent',
    });
  });
});

describe('a SyncCluster applied again, whose objects were left without an owner', () => {
  async function orphaned(): Promise<FakeWorld> {
    const world = new FakeWorld();
    world.createCluster({ members: 3 });
    await until(world, settled(world, 3));
    for (const map of world.kube.all(CONFIG_MAPS)) {
      const { ownerReferences: _, ...metadata } = map.metadata;
      world.kube.put({ ...map, metadata });
    }
    return world;
  }
  const identityOf = (world: FakeWorld) =>
    world.kube.peek(CONFIG_MAPS, { namespace: world.key.namespace, name: `${NAME}-identity` });

  it('owns its identity again, so that it goes when the cluster goes', async () => {
    const world = await orphaned();
    const before = identityOf(world);
    await until(world, settled(world, 3));
    expect(identityOf(world)?.metadata.ownerReferences).toMatchObject([{ kind: 'SyncCluster', name: NAME }]);
    expect(identityOf(world)?.metadata.uid).toBe(before?.metadata.uid);
    expect(identityOf(world)?.data).toEqual(before?.data);
    expect(world.foundings).toBe(1);
  });

  it('does not bring an identity back that was deleted meanwhile', async () => {
    const world = await orphaned();
    world.kube.onWrite = () => {
      world.kube.onWrite = () => {};
      world.kube.remove(CONFIG_MAPS, { namespace: world.key.namespace, name: `${NAME}-identity` });
    };
    await pass(world);
    expect(identityOf(world)).toBeNull();
  });
});
