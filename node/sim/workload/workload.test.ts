import { type Command, Op } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { FakeCluster } from '../../client/src/testing/fakeCluster.ts';
import { result } from '../../client/src/testing/setup.ts';
import { VirtualClock } from '../../client/src/testing/virtualClock.ts';
import { checkHistory, type Recovery } from '../checkers/index.ts';
import { encodeLines, isDone, type OperationKind, Recorder } from '../history/index.ts';
import { Random } from './random.ts';
import { DEFAULT_SETTINGS } from './settings.ts';
import { Workload } from './workload.ts';

/** A cluster of one state per group that keeps its own deadlines, in virtual time. */
function setUp(seed: number) {
  const clock = new VirtualClock();
  const cluster = new FakeCluster(clock, 3);
  const recorder = new Recorder(() => clock.nowMs);
  const workload = new Workload(
    {
      recorder,
      clientOptions: () => ({
        endpoints: cluster.endpoints,
        transport: cluster,
        clock,
        sessionTtlMs: 5_000,
        requestTimeoutMs: 2_000,
      }),
    },
    seed,
    DEFAULT_SETTINGS,
  );
  const expire = (): void => {
    for (const [group, machine] of cluster.machines.entries()) {
      if (machine.nextDueStampMs() <= clock.wallMs()) cluster.expire(group);
    }
    clock.after(20, expire);
  };
  expire();
  expireSilentSessions(clock, cluster);
  return { clock, cluster, recorder, workload };
}

/** Sessions end when nothing came from their clients for their whole time to live. */
function expireSilentSessions(clock: VirtualClock, cluster: FakeCluster): void {
  const heardMs = new Map<string, number>();
  const look = (): void => {
    for (const { group, sessions } of cluster.keepAlives.splice(0)) {
      for (const session of sessions) heardMs.set(`${group}/${session}`, clock.nowMs);
    }
    for (const [group, machine] of cluster.machines.entries()) {
      for (const [session, ttlMs] of [...machine.sessions()]) {
        const key = `${group}/${session}`;
        const since = heardMs.get(key) ?? clock.nowMs;
        heardMs.set(key, since);
        if (clock.nowMs - since > ttlMs) cluster.expireSession(group, session);
      }
    }
    clock.after(100, look);
  };
  look();
}

/** Lost requests, lost replies, broken connections, other leaders, lost sessions. */
async function attack(
  clock: VirtualClock,
  cluster: FakeCluster,
  random: Random,
  forMs: number,
): Promise<void> {
  const fate = () => random.weighted({ normal: 40, lose: 1, mute: 1 });
  cluster.onWrite = fate;
  cluster.onRead = fate;
  for (let spent = 0; spent < forMs; spent += 500) {
    await clock.advance(500);
    if (random.chance(0.5)) cluster.cut(random.chance(0.5) ? 101 + random.between(0, 2) : undefined);
    if (random.chance(0.2))
      cluster.lead(random.between(0, 3), 101 + random.between(0, 2), random.chance(0.5));
    // Of data groups: one of the locks' group must outlive its client's lease.
    if (random.chance(0.1)) cluster.expireSession(random.between(1, 3), random.between(1, 20));
  }
  cluster.onWrite = () => 'normal';
  cluster.onRead = () => 'normal';
  cluster.cut();
}

/** As a forced recovery from a member that never heard of the declaration. */
function loseDeclaration(cluster: FakeCluster, queue: string): void {
  cluster.apply(0, [Op.QueueDelete, 1, 0, 0, 0, queue] as unknown as Command);
}

async function run(seed: number) {
  const { clock, cluster, recorder, workload } = setUp(seed);
  expect(await result(clock, workload.prepare())).toBe(true);
  workload.start();
  await attack(clock, cluster, new Random(seed), 15_000);
  const healedMs = clock.nowMs;
  await clock.advance(6_000);
  await result(clock, workload.stop(), 60_000);
  const audit = await result(clock, workload.audit(), 100_000);
  return { recorder, audit, healedMs };
}

describe('the workload', () => {
  it('on a cluster that keeps its promises leaves a history without a violation', async () => {
    const { recorder, audit, healedMs } = await run(1);
    const operations = recorder.operations();
    expect(audit).toEqual({ complete: true, missing: [] });
    expect(checkHistory(operations, { healing: { healedMs, withinMs: 4_000 } })).toEqual([]);
    const kinds = new Set(operations.filter(({ outcome }) => outcome === 'ok').map(({ kind }) => kind));
    const expected: OperationKind[] = [
      'lockAcquire',
      'lockRelease',
      'lockMark',
      'lockInspect',
      'enqueue',
      'receive',
    ];
    for (const kind of [
      ...expected,
      'ack',
      'nack',
      'extend',
      'cachePut',
      'cacheGet',
      'cacheDelete',
      'queueDelete',
      'queueDeclare',
    ] as const) {
      expect(kinds, kind).toContain(kind);
    }
    expect(operations.some(({ outcome }) => outcome === 'unknown')).toBe(true);
    expect(operations.length).toBeGreaterThan(1_000);
  }, 60_000);

  it('goes on with a queue whose declaration is lost, and audits it', async () => {
    const { clock, cluster, recorder, workload } = setUp(3);
    expect(await result(clock, workload.prepare())).toBe(true);
    workload.start();
    await clock.advance(2_000);
    loseDeclaration(cluster, 'queue-b');
    const lostAt = recorder.nextOrder();
    await clock.advance(10_000);
    const since = recorder.operations().filter(({ invoked }) => invoked.order > lostAt);
    const served = since.filter((one) => 'queue' in one.call && one.call.queue === 'queue-b' && isDone(one));
    expect(served.some(({ kind }) => kind === 'enqueue')).toBe(true);
    expect(served.some(({ kind }) => kind === 'ack')).toBe(true);
    await result(clock, workload.stop(), 60_000);
    loseDeclaration(cluster, 'queue-a');
    expect(await result(clock, workload.audit(), 100_000)).toEqual({ complete: true, missing: [] });
    const checkers = (recoveries: readonly Recovery[]): string[] =>
      checkHistory(recorder.operations(), { recoveries }).map(({ checker }) => checker);
    expect(checkers([])).toContain('declared queues');
    expect(checkers([{ order: lostAt, applied: new Map() }])).not.toContain('declared queues');
  }, 60_000);

  it('does the same again under the same seed, byte by byte', async () => {
    const first = encodeLines((await run(2)).recorder.operations());
    const second = encodeLines((await run(2)).recorder.operations());
    expect(second).toBe(first);
    expect(first.length).toBeGreaterThan(10_000);
  }, 60_000);
});
