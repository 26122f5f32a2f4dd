import { describe, expect, it } from 'vitest';
import { settle, VirtualClock } from '../testing/virtualClock.ts';
import { type Key, KubeError, type KubeObject, type KubePort, type Resource } from './kube.ts';
import { LEASES, LeaderElection, type LeaderElectionOptions, type Lease } from './leaderElection.ts';

const LEASE: Key = { namespace: 'system', name: 'operator' };

/** The one lease, as a server keeps it. */
class LeaseServer {
  lease: Lease | null = null;
  /** What was there at the creation stays when an apply leaves it out. */
  #created: Lease['spec'] = {};
  #version = 0;

  create(lease: Lease): Lease {
    this.#created = lease.spec ?? {};
    return this.write(lease);
  }

  write(lease: Lease): Lease {
    this.lease = structuredClone({ ...lease, spec: { ...this.#created, ...lease.spec } });
    this.lease.metadata.uid = 'uid';
    this.lease.metadata.resourceVersion = String(++this.#version);
    return structuredClone(this.lease);
  }
}

/** One client of it, whose requests can be lost on the way there or back, or never end. */
class Client implements Pick<KubePort, 'get' | 'create' | 'apply'> {
  readonly #server: LeaseServer;
  readonly #clock: VirtualClock;
  /** How the next requests fare. */
  fate: () => { delayMs: number; lost: 'before' | 'after' | null } = () => ({ delayMs: 0, lost: null });
  requests = 0;

  constructor(server: LeaseServer, clock: VirtualClock) {
    this.#server = server;
    this.#clock = clock;
  }
  async get<T extends KubeObject>(): Promise<T | null> {
    return await this.#request(() => structuredClone(this.#server.lease) as unknown as T | null);
  }
  async create<T extends KubeObject>(_: Resource<T>, object: T): Promise<T> {
    return await this.#request(() => {
      if (this.#server.lease !== null) throw new KubeError('AlreadyExists', 'exists');
      return this.#server.create(object as unknown as Lease) as unknown as T;
    });
  }
  async apply<T extends KubeObject>(_: Resource<T>, object: T): Promise<T> {
    return await this.#request(() => {
      const { resourceVersion } = object.metadata;
      expect(resourceVersion, 'every write is conditional').toBeDefined();
      if (this.#server.lease?.metadata.resourceVersion !== resourceVersion)
        throw new KubeError('Conflict', 'the object has been modified');
      return this.#server.write(object as unknown as Lease) as unknown as T;
    });
  }
  async #request<R>(action: () => R): Promise<R> {
    this.requests++;
    const { delayMs, lost } = this.fate();
    if (delayMs > 0) await this.#wait(delayMs / 2);
    if (lost === 'before') throw new KubeError('Unavailable', 'lost on the way there');
    const result = action();
    if (delayMs > 0) await this.#wait(delayMs / 2);
    if (lost === 'after') throw new KubeError('Unavailable', 'lost on the way back');
    return result;
  }
  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(delayMs, resolve));
  }
}

interface Candidate {
  readonly election: LeaderElection;
  readonly client: Client;
  readonly acquired: Promise<boolean>;
  readonly stop: AbortController;
  readonly lost: string[];
}

function candidate(
  server: LeaseServer,
  clock: VirtualClock,
  identity: string,
  options: Partial<LeaderElectionOptions> = {},
): Candidate {
  const client = new Client(server, clock);
  const lost: string[] = [];
  const logger = { info() {}, warn() {}, error() {}, child: () => logger };
  const election = new LeaderElection({
    kube: client,
    clock,
    logger,
    lease: LEASE,
    identity,
    leaseDurationSeconds: 15,
    onLost: (why) => lost.push(why),
    random: () => 0,
    ...options,
  });
  const stop = new AbortController();
  return { election, client, lost, stop, acquired: election.acquire(stop.signal) };
}
const HANGS = () => ({ delayMs: 1e9, lost: null });

describe('LeaderElection', () => {
  it('creates the lease when there is none, and renews it', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a', { now: () => new Date(Date.UTC(2025, 0, 1) + clock.now()) });
    expect(await a.acquired).toBe(true);
    expect(a.election.leading).toBe(true);
    expect(server.lease).toMatchObject({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: LEASE,
      spec: {
        holderIdentity: 'a',
        leaseDurationSeconds: 15,
        acquireTime: '2025-01-01T00:00:00.000000Z',
        renewTime: '2025-01-01T00:00:00.000000Z',
        leaseTransitions: 0,
      },
    });
    await clock.advance(60_000);
    expect(a.lost).toEqual([]);
    expect(server.lease?.spec).toMatchObject({
      acquireTime: '2025-01-01T00:00:00.000000Z',
      renewTime: '2025-01-01T00:01:00.000000Z',
    });
  });

  it('lets one of many win', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const all = ['a', 'b', 'c', 'd'].map((name) => candidate(server, clock, name));
    await clock.advance(60_000);
    expect(all.filter(({ election }) => election.leading)).toHaveLength(1);
    for (const { election } of all) expect(election.holder).toBe(server.lease?.spec?.holderIdentity);
  });

  it('hands over at once when the leader gives up', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    const b = candidate(server, clock, 'b');
    await clock.advance(30_000);
    expect(b.election.leading).toBe(false);
    await a.election.release();
    expect(a.election.leading).toBe(false);
    expect(server.lease?.spec?.holderIdentity).toBeUndefined();
    await clock.advance(2_000);
    expect(b.election.leading).toBe(true);
    expect(server.lease?.spec?.leaseTransitions).toBe(1);
    await clock.advance(60_000);
    expect(a.lost).toEqual([]);
  });

  it.each([0, 3_600_000, -3_600_000])(
    'takes over from a leader that vanished after the whole duration, clocks apart by %i ms',
    async (skewMs) => {
      const [server, clock] = [new LeaseServer(), new VirtualClock()];
      const a = candidate(server, clock, 'a');
      await a.acquired;
      const b = candidate(server, clock, 'b', { now: () => new Date(Date.now() + skewMs) });
      await clock.advance(20_000);
      a.client.fate = HANGS;
      // Its last renewal was at most one retry ago.
      await clock.advance(12_900);
      expect(b.election.leading).toBe(false);
      // By then the old leader has long ended itself.
      expect(a.lost).toHaveLength(1);
      expect(a.election.leading).toBe(false);
      await clock.advance(4_200);
      expect(b.election.leading).toBe(true);
    },
  );

  it('takes over at most one retry later than the duration after the last renewal', async () => {
    for (let phaseMs = 0; phaseMs < 2_400; phaseMs += 150) {
      const [server, clock] = [new LeaseServer(), new VirtualClock()];
      const a = candidate(server, clock, 'a');
      await a.acquired;
      await clock.advance(phaseMs);
      const b = candidate(server, clock, 'b', { random: () => 0.999 });
      await clock.advance(20_000 - phaseMs);
      // Renewed at this very moment, for the last time.
      a.client.fate = HANGS;
      await clock.advance(17_400);
      expect(b.election.leading, `looked first ${phaseMs} ms after the other led`).toBe(true);
    }
  });

  it('takes a lease that nobody renews at the very end of the duration', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    a.client.fate = HANGS;
    const b = candidate(server, clock, 'b', { random: () => 0.999 });
    await clock.advance(14_999);
    expect(b.election.leading).toBe(false);
    // Rounded up to whole milliseconds.
    await clock.advance(2);
    expect(b.election.leading).toBe(true);
  });

  it('waits between attempts at a lease that ran out but cannot be read', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    a.client.fate = HANGS;
    const b = candidate(server, clock, 'b');
    await clock.advance(14_000);
    b.client.fate = () => ({ delayMs: 0, lost: 'before' });
    const { requests } = b.client;
    await clock.advance(10_000);
    expect(b.client.requests - requests).toBeLessThanOrEqual(6);
  });

  it('waits the whole duration from when it first looked, whatever the lease says', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    server.write({
      apiVersion: LEASES.apiVersion,
      kind: 'Lease',
      metadata: { ...LEASE },
      spec: { holderIdentity: 'gone', leaseDurationSeconds: 30, renewTime: '2001-01-01T00:00:00.000000Z' },
    });
    const b = candidate(server, clock, 'b');
    await clock.advance(29_900);
    expect(b.election.leading).toBe(false);
    await clock.advance(2_100);
    expect(b.election.leading).toBe(true);
  });

  it('takes its own lease back at once after a restart', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    a.client.fate = HANGS;
    const again = candidate(server, clock, 'a');
    await settle();
    expect(again.election.leading).toBe(true);
    expect(server.lease?.spec?.leaseTransitions).toBe(0);
  });

  it('goes on when the answer to a renewal was lost', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    let requests = 0;
    // One of four does its work without telling: after it come a refused renewal, a look, and a renewal.
    a.client.fate = () => ({ delayMs: 0, lost: requests++ % 4 === 0 ? 'after' : null });
    await clock.advance(120_000);
    expect(a.lost).toEqual([]);
    expect(a.election.leading).toBe(true);
  });

  it('survives an outage shorter than the deadline, and not a longer one', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    const outage = async (durationMs: number) => {
      a.client.fate = () => ({ delayMs: 0, lost: 'before' });
      await clock.advance(durationMs);
      a.client.fate = () => ({ delayMs: 0, lost: null });
      await clock.advance(4_000);
    };
    await outage(7_900);
    expect(a.lost).toEqual([]);
    await outage(10_100);
    expect(a.lost).toEqual(['the lease could not be renewed for 10000 ms']);
    expect(a.election.leading).toBe(false);
    // Neither does it come back.
    const { requests } = a.client;
    await clock.advance(60_000);
    expect(a.client.requests).toBe(requests);
  });

  it.each([
    ['somebody else took the lease', 'thief'],
    ['the lease was deleted', null],
  ])('is lost when %s', async (_, thief) => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    if (thief === null) server.lease = null;
    else server.write({ ...server.lease!, spec: { holderIdentity: thief, leaseDurationSeconds: 15 } });
    await clock.advance(2_000);
    expect(a.lost).toEqual([`the lease is held by ${thief ?? 'nobody'}`]);
    await a.election.release();
    expect(server.lease?.spec?.holderIdentity).toBe(thief ?? undefined);
  });

  it('ends waiting when it is told to', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    const b = candidate(server, clock, 'b');
    const c = candidate(server, clock, 'c');
    await clock.advance(10_000);
    b.stop.abort();
    expect(await b.acquired).toBe(false);
    await c.election.release();
    expect(await c.acquired).toBe(false);
    expect(server.lease?.spec?.holderIdentity).toBe('a');
  });

  it('gives back a lease that it got while it was told to end', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    a.stop.abort();
    expect(await a.acquired).toBe(false);
    expect(a.election.leading).toBe(false);
    expect(server.lease?.spec?.holderIdentity).toBeUndefined();
  });

  it('releases also when its last renewal got no answer', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    let lose = true;
    a.client.fate = () => ({ delayMs: 0, lost: lose ? 'after' : null });
    await clock.advance(2_000);
    lose = false;
    await a.election.release();
    expect(server.lease?.spec?.holderIdentity).toBeUndefined();
  });

  it('counts its deadline from before the renewal was sent, not from its answer', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    a.client.fate = () => ({ delayMs: 6_000, lost: null });
    // Sent at 2000, answered at 8000; whatever follows gets no answer.
    await clock.advance(7_000);
    a.client.fate = HANGS;
    await clock.advance(4_900);
    expect(a.lost).toEqual([]);
    await clock.advance(200);
    expect(a.lost).toHaveLength(1);
  });

  it('is nobody’s after a release during a renewal', async () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    const a = candidate(server, clock, 'a');
    await a.acquired;
    a.client.fate = () => ({ delayMs: 1_000, lost: null });
    await clock.advance(2_100);
    const released = a.election.release();
    await clock.advance(10_000);
    await released;
    expect(server.lease?.spec?.holderIdentity).toBeUndefined();
    expect(server.lease?.spec?.leaseDurationSeconds).toBe(1);
  });

  it('refuses times that cannot work', () => {
    const [server, clock] = [new LeaseServer(), new VirtualClock()];
    for (const times of [
      { renewDeadlineMs: 15_000 },
      { retryMs: 10_000 },
      { retryMs: 0 },
      { leaseDurationSeconds: Number.NaN },
    ])
      expect(() => candidate(server, clock, 'a', times)).toThrow(RangeError);
  });

  it('has never two leaders, whatever happens to requests, and always one again', {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = generator(seed);
      const [server, clock] = [new LeaseServer(), new VirtualClock()];
      const make = (name: string) =>
        candidate(server, clock, name, { random, now: () => new Date(random() * 1e12) });
      let born = 0;
      const all = Array.from({ length: 3 }, () => make(`p${born++}`));
      let faulty = 0.3;
      const fate = () => {
        const chance = random();
        if (chance >= faulty) return { delayMs: random() < 0.5 ? 0 : random() * 2_000, lost: null };
        if (chance < faulty / 4) return { delayMs: random() * 30_000, lost: null };
        return { delayMs: random() * 5_000, lost: random() < 0.5 ? ('before' as const) : ('after' as const) };
      };
      let led = 0;
      for (let step = 0; step < 400; step++) {
        for (const each of all) each.client.fate = fate;
        await clock.advance(500);
        const leaders = all.filter(({ election }) => election.leading);
        expect(leaders.length, `seed ${seed}, step ${step}`).toBeLessThanOrEqual(1);
        led += leaders.length;
        // One that lost ends, and a new process takes its place; now and then one is stopped in good order.
        for (const [at, each] of all.entries()) {
          const stopped = random() < 0.005;
          if (stopped) {
            each.stop.abort();
            void each.election.release();
          }
          if (stopped || each.lost.length > 0) all[at] = make(`p${born++}`);
        }
      }
      expect(led, `seed ${seed}`).toBeGreaterThan(0);
      faulty = 0;
      await clock.advance(90_000);
      expect(
        all.filter(({ election }) => election.leading),
        `seed ${seed}`,
      ).toHaveLength(1);
    }
  });
});

/** Numbers in [0, 1) that are the same each time. */
function generator(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
