import { describe, expect, it } from 'vitest';
import { MemoryStore, MemoryTarget } from '../targets/memoryTarget.ts';
import type { HeldLock, ReceivedMessage } from '../targets/target.ts';
import { Crew, type CrewPhase, type PhaseOutcome } from './coordinator.ts';
import { forkWorker } from './forkWorker.ts';
import { inlineWorker } from './inlineWorker.ts';
import type { Operation } from './phase.ts';

const DRAIN_IDLE_MS = 150;

function phase(operation: Operation, changes: Partial<CrewPhase> = {}): CrewPhase {
  return {
    operation,
    runId: 'test',
    inFlight: 8,
    payloadBytes: 64,
    operations: 300,
    durationMs: null,
    ratePerS: null,
    contendedKeys: 2,
    cacheKeys: 50,
    hitRatio: 0.8,
    lockWaitMs: 1_000,
    visibilityMs: 1_000,
    ...changes,
  };
}

/** Three clients that share what `target` makes of one store. */
async function withCrew<T>(
  makeTarget: (store: MemoryStore) => MemoryTarget,
  body: (crew: Crew) => Promise<T>,
): Promise<T> {
  const store = new MemoryStore();
  const crew = new Crew({
    workers: [0, 1, 2].map(() => inlineWorker(async () => makeTarget(store))),
    drainIdleMs: DRAIN_IDLE_MS,
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  try {
    return await body(crew);
  } finally {
    await crew.close();
  }
}

async function queuePhases(makeTarget: (store: MemoryStore) => MemoryTarget): Promise<PhaseOutcome> {
  return await withCrew(makeTarget, async (crew) => {
    await crew.run(phase('queue.enqueue'));
    return await crew.run(phase('queue.consume'));
  });
}

describe('a crew against a sound target', () => {
  const sound = (store: MemoryStore): MemoryTarget => new MemoryTarget(store);

  it.each<Operation>(['lock.uncontended', 'lock.contended', 'queue.enqueue', 'cache.put', 'cache.get'])(
    'does all of %s, shared out over the clients, and finds no violation',
    async (operation) => {
      const outcome = await withCrew(sound, (crew) => crew.run(phase(operation, { operations: 301 })));
      expect(outcome.completed).toBe(301);
      expect(outcome.histogram.count).toBe(301);
      expect(outcome.errors).toEqual({});
      expect(outcome.violations).toEqual([]);
      expect(outcome.durationNs).toBeGreaterThan(0);
    },
  );
  it('consumes exactly what was enqueued', async () => {
    const outcome = await queuePhases(sound);
    expect(outcome).toMatchObject({ completed: 300, violations: [], redelivered: 0 });
  });
  it('counts hits and misses near the ratio that was asked for', async () => {
    const outcome = await withCrew(sound, (crew) => crew.run(phase('cache.get', { operations: 3_000 })));
    expect(outcome.hits! + outcome.misses!).toBe(3_000);
    expect(Math.abs(outcome.hits! / 3_000 - 0.8)).toBeLessThan(0.05);
  });
  it('ends by time when it is bounded by time', async () => {
    const outcome = await withCrew(sound, (crew) =>
      crew.run(phase('cache.put', { operations: null, durationMs: 60 })),
    );
    expect(outcome.completed).toBeGreaterThan(0);
    expect(outcome.violations).toEqual([]);
  });
});

describe('what a crew catches', () => {
  it('a lock granted to two at once', async () => {
    class DoubleGrant extends MemoryTarget {
      override async acquire(name: string): Promise<HeldLock> {
        const state = this.store.locks.get(name) ?? { held: false, token: 0, waiters: [] };
        this.store.locks.set(name, state);
        return { token: ++state.token, release: async () => {} };
      }
    }
    const outcome = await withCrew(
      (store) => new DoubleGrant(store),
      (crew) => crew.run(phase('lock.contended')),
    );
    expect(outcome.violations[0]).toMatch(/granted under token \d+ while held under token \d+/);
  });
  it('a token that does not rise', async () => {
    class SameToken extends MemoryTarget {
      override async acquire(name: string): Promise<HeldLock> {
        const lock = await super.acquire(name);
        return { token: 7, release: () => lock.release() };
      }
    }
    const outcome = await withCrew(
      (store) => new SameToken(store),
      (crew) => crew.run(phase('lock.uncontended')),
    );
    expect(outcome.violations[0]).toContain('token 7 granted after token 7');
  });
  it('a confirmed message that is lost', async () => {
    let enqueued = 0;
    class Lossy extends MemoryTarget {
      override async enqueue(queue: string, payload: Uint8Array): Promise<void> {
        if (++enqueued !== 17) await super.enqueue(queue, payload);
      }
    }
    const outcome = await queuePhases((store) => new Lossy(store));
    expect(outcome.violations).toEqual(['1 of 300 confirmed messages never arrived']);
  });
  it('a message whose bytes changed', async () => {
    let received = 0;
    class Flipping extends MemoryTarget {
      override async receive(queue: string, max: number): Promise<readonly ReceivedMessage[]> {
        const messages = await super.receive(queue, max);
        for (const message of messages) if (++received === 5) message.payload[8]! ^= 1;
        return messages;
      }
    }
    const outcome = await queuePhases((store) => new Flipping(store));
    expect(outcome.violations.join('\n')).toContain('bytes nobody enqueued');
    expect(outcome.violations.join('\n')).toContain('1 of 300 confirmed messages never arrived');
  });
  it('the value of another key', async () => {
    class Mixed extends MemoryTarget {
      override async get(key: string): Promise<Uint8Array | null> {
        return await super.get(key.endsWith('/3') ? key.replace(/3$/, '4') : key);
      }
    }
    const outcome = await withCrew(
      (store) => new Mixed(store),
      (crew) => crew.run(phase('cache.get', { hitRatio: 1 })),
    );
    expect(outcome.violations[0]).toContain('foreign value under bench/test/3');
  });
});

describe('what a crew does not call a violation', () => {
  it('a message that comes twice', async () => {
    let repeated = false;
    class Repeating extends MemoryTarget {
      override async receive(queue: string, max: number): Promise<readonly ReceivedMessage[]> {
        const messages = await super.receive(queue, max);
        if (repeated || messages.length === 0) return messages;
        repeated = true;
        return [messages[0]!, ...messages];
      }
    }
    const outcome = await queuePhases((store) => new Repeating(store));
    expect(outcome.violations).toEqual([]);
    expect(outcome.redelivered).toBe(1);
  });
  it('a message whose enqueue failed, whether it arrives or not', async () => {
    let enqueued = 0;
    class Unsure extends MemoryTarget {
      override async enqueue(queue: string, payload: Uint8Array): Promise<void> {
        const number = ++enqueued;
        if (number !== 3) await super.enqueue(queue, payload);
        if (number <= 3) throw Object.assign(new Error('gone'), { code: 'OUTCOME_UNKNOWN' });
      }
    }
    await withCrew(
      (store) => new Unsure(store),
      async (crew) => {
        const enqueue = await crew.run(phase('queue.enqueue'));
        expect(enqueue.errors).toEqual({ OUTCOME_UNKNOWN: 3 });
        expect(enqueue.completed).toBe(297);
        const consume = await crew.run(phase('queue.consume'));
        expect(consume.violations).toEqual([]);
      },
    );
  });
});

describe('open loop', () => {
  it('charges a stall to every operation that it held up', async () => {
    let stalled = false;
    class Stalling extends MemoryTarget {
      override async put(key: string, value: Uint8Array): Promise<void> {
        if (!stalled) {
          stalled = true;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        await super.put(key, value);
      }
    }
    const store = new MemoryStore();
    const crew = new Crew({
      workers: [inlineWorker(async () => new Stalling(store))],
      drainIdleMs: DRAIN_IDLE_MS,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    // One lane at 100/s: the stall of the first holds up the twenty or so that should have begun meanwhile.
    const outcome = await crew.run(phase('cache.put', { inFlight: 1, operations: 40, ratePerS: 100 }));
    await crew.close();
    expect(outcome.completed).toBe(40);
    // In a closed loop only one operation in forty would have seen it.
    expect(outcome.histogram.percentile(75)).toBeGreaterThan(50e6);
  });
});

describe('load processes', () => {
  const fork = (): ReturnType<typeof forkWorker> => forkWorker({ kind: 'memory', meanLatencyUs: 0 });

  it('run a phase in processes of their own and merge it', async () => {
    const crew = new Crew({
      workers: [fork(), fork()],
      drainIdleMs: 1_000,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    try {
      const enqueue = await crew.run(phase('queue.enqueue', { operations: 1_001 }));
      expect(enqueue.completed).toBe(1_001);
      const consume = await crew.run(phase('queue.consume', { operations: 1_001 }));
      expect(consume).toMatchObject({ completed: 1_001, violations: [] });
    } finally {
      await crew.close();
    }
  });
  it('fail the run when one is killed, and when the benchmark is aborted', async () => {
    const abort = new AbortController();
    const victim = fork();
    const crew = new Crew({
      workers: [victim, fork()],
      drainIdleMs: 1_000,
      signal: abort.signal,
      onProgress: () => victim.kill(),
    });
    await expect(crew.run(phase('cache.put', { operations: null, durationMs: 60_000 }))).rejects.toThrow(
      'load process 0 was ended by SIGKILL',
    );
    crew.kill();

    const second = new Crew({
      workers: [fork()],
      drainIdleMs: 1_000,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(second.run(phase('cache.put', { operations: null, durationMs: 60_000 }))).rejects.toThrow(
      'aborted',
    );
    second.kill();
  });
});
