import { LockMode, Op, PushKind, QueryOp, type StampMs } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { Random } from './testing/random.ts';
import { CoordinationWorkload } from './testing/workload.ts';
import { coordination } from './testing/world.ts';

const STEPS = 800;
const NAMES = ['a', 'b', '7', 'ü'];

interface Hold {
  readonly session: number;
  readonly mode: number;
}

/** Knows locks only from what clients are told, and checks what they were promised. */
class LockObserver {
  readonly holds = new Map<number, Hold & { readonly name: string }>();
  readonly #waits = new Map<number, Hold & { readonly name: string; readonly dueStampMs: number }>();
  #lastToken = 0;
  grants = 0;

  granted(token: number, name: string, hold: Hold): void {
    expect(token, 'tokens rise strictly').toBeGreaterThan(this.#lastToken);
    this.#lastToken = token;
    this.grants++;
    for (const other of this.holds.values()) {
      if (other.name !== name) continue;
      expect(other.mode === LockMode.Shared && hold.mode === LockMode.Shared, 'holders are compatible').toBe(
        true,
      );
    }
    this.holds.set(token, { session: hold.session, mode: hold.mode, name });
  }

  queued(waiter: number, name: string, hold: Hold, dueStampMs: number): void {
    this.#waits.set(waiter, { ...hold, name, dueStampMs });
  }

  grantedLater(session: number, waiter: number, token: number): void {
    const wait = this.#waits.get(waiter);
    expect(wait?.session, 'a grant goes to who waits').toBe(session);
    for (const [other, { name }] of this.#waits) {
      if (name === wait!.name)
        expect(other, 'grants are first come, first served').toBeGreaterThanOrEqual(waiter);
    }
    this.#waits.delete(waiter);
    this.granted(token, wait!.name, wait!);
  }

  waitEnded(session: number, waiter: number, stampMs: number): void {
    const wait = this.#waits.get(waiter);
    expect(wait?.session).toBe(session);
    expect(wait!.dueStampMs, 'nobody gives up early').toBeLessThanOrEqual(stampMs);
    this.#waits.delete(waiter);
  }

  cancelled(waiter: number): void {
    this.#waits.delete(waiter);
  }

  sessionEnded(session: number): void {
    for (const [token, hold] of this.holds) if (hold.session === session) this.holds.delete(token);
    for (const [waiter, wait] of this.#waits) if (wait.session === session) this.#waits.delete(waiter);
  }

  state(name: string) {
    const holders = [...this.holds].filter(([, hold]) => hold.name === name);
    const waiters = [...this.#waits].filter(([, wait]) => wait.name === name);
    return [
      holders.map(([token, { session, mode }]) => [session, token, mode]),
      waiters.map(([waiter, { session, mode, dueStampMs }]) => [session, waiter, mode, dueStampMs]),
    ];
  }

  /** A free lock with somebody in line would be a grant forgotten. */
  checkProgress(name: string): void {
    const [holders, waiters] = this.state(name);
    const first = waiters![0];
    if (first === undefined) return;
    const admitted =
      holders!.length === 0 || (holders![0]![2] === LockMode.Shared && first[2] === LockMode.Shared);
    expect(admitted, 'nobody waits for what is free').toBe(false);
  }
}

function run(seed: number): number {
  const random = new Random(seed);
  const workload = new CoordinationWorkload(random);
  const w = coordination();
  const observer = new LockObserver();
  const answered = new Set<string>();
  for (let i = 0; i < STEPS; i++) {
    if (random.chance(60)) w.stampMs += random.below(60);
    const command = workload.next();
    const outcome = w.machine.apply(command, w.stampMs as StampMs);
    const pushes = w.machine.takePushes();
    workload.observe(command, outcome, pushes);

    // A resend is answered as the first time, and tells nothing new.
    const [, , session, seq] = command;
    const fresh = seq === 0 || !answered.has(`${session}/${seq}`);
    if (outcome.ok) answered.add(`${session}/${seq}`);
    if (outcome.ok && fresh) {
      if (command[0] === Op.LockAcquire) {
        const [token, waiter] = outcome.value as readonly [number, number];
        const due = command[7] > 0 ? w.stampMs + command[7] : 0;
        if (waiter > 0) observer.queued(waiter, command[5], { session, mode: command[6] }, due);
        else if (!observer.holds.has(token))
          observer.granted(token, command[5], { session, mode: command[6] });
        else expect(observer.holds.get(token)).toEqual({ session, mode: command[6], name: command[5] });
      } else if (command[0] === Op.LockRelease) {
        expect(observer.holds.delete(command[6]), 'only what is held is released').toBe(true);
      } else if (command[0] === Op.LockCancel && outcome.value[0] === 0) {
        observer.cancelled(command[5]);
      } else if (command[0] === Op.SessionClose) {
        observer.sessionEnded(session);
      }
    }
    for (const { session: to, push } of pushes) {
      if (push[0] === PushKind.LockGranted) observer.grantedLater(to, push[1], push[2]);
      else if (push[0] === PushKind.SessionExpired) observer.sessionEnded(to);
      else if (push[0] === PushKind.LockWaitEnded) observer.waitEnded(to, push[1], w.stampMs);
    }
    for (const name of NAMES) {
      expect(w.ask([QueryOp.LockInspect, name]), `seed ${seed} step ${i}`).toEqual(observer.state(name));
      observer.checkProgress(name);
    }
  }
  return observer.grants;
}

describe('locks under random use', () => {
  it('exclude, serve first come first, fence with rising tokens and never forget a waiter', () => {
    let grants = 0;
    for (let seed = 100; seed < 112; seed++) grants += run(seed);
    expect(grants).toBeGreaterThan(500);
  });
});
