import {
  COORDINATION_GROUP,
  ERROR_CODES,
  isErrorCode,
  type LockModeValue,
  Op,
  type Push,
  PushKind,
  QueryOp,
  type SessionId,
  type Token,
  type WaiterId,
} from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import type { Access } from './route.ts';
import { header } from './sessions.ts';
import { sleep } from './sleep.ts';

/** How long after the wait's end the replicated deadline may still speak before the caller is told anyway. */
const LATE_MS = 1_000;
/** While a caller waits, its session is kept alive and its waiter looked up this often: pushes can be lost. */
const CHECK_MAX_MS = 1_000;
const CHECK_MIN_MS = 100;
const WITHDRAW_FOR_MS = 5_000;
const WITHDRAW_PAUSE_MS = 100;

export interface LockRequest {
  session: SessionId;
  name: string;
  mode: LockModeValue;
  waitMs: number;
}

/** Collects what is pushed to a session, from before its acquire is sent. */
class GrantInbox {
  readonly #states = new Map<WaiterId, Token | 'ended'>();
  #expired = false;
  #wake: (() => void) | null = null;

  readonly take = (push: Push): void => {
    if (push[0] === PushKind.LockGranted) this.#states.set(push[1], push[2]);
    else if (push[0] === PushKind.LockWaitEnded) this.#states.set(push[1], 'ended');
    else this.#expired = true;
    this.#wake?.();
  };

  of(waiter: WaiterId): Token | 'ended' | 'expired' | null {
    return this.#states.get(waiter) ?? (this.#expired ? 'expired' : null);
  }

  /** Until something arrives, `ms` have passed or `signal` is aborted; true: it was the time. */
  next(ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (timedOut: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#wake = null;
        resolve(timedOut);
      };
      const onAbort = (): void => finish(false);
      const timer = setTimeout(() => finish(true), ms);
      signal.addEventListener('abort', onAbort);
      this.#wake = () => finish(false);
      if (signal.aborted) finish(false);
    });
  }
}

/** Acquires at once or not at all. */
export async function tryAcquire(access: Access, request: LockRequest): Promise<Token> {
  const [token] = await access.write(COORDINATION_GROUP, [
    ...header(Op.LockAcquire, request.session),
    request.name,
    request.mode,
    0,
  ]);
  if (token <= 0) throw new MemberError('INTERNAL', 'The lock was queued although nobody waits for it.');
  return token;
}

/**
 * Acquires within `waitMs`. When nobody is there any more to be told of a grant, the wait is withdrawn, and what
 * was granted to it meanwhile is released: a lock that no one knows of would be held until its session ends.
 * A grant without waiting is never taken back: the session may have held the lock before, under the same token.
 */
export async function acquireWaiting(access: Access, request: LockRequest): Promise<Token> {
  const { member } = access;
  const inbox = new GrantInbox();
  const ignore = await member.watchSession(COORDINATION_GROUP, request.session, inbox.take);
  try {
    const [token, waiter] = await access.write(COORDINATION_GROUP, [
      ...header(Op.LockAcquire, request.session),
      request.name,
      request.mode,
      request.waitMs,
    ]);
    if (token > 0) return token;
    return await waitFor(access, request, waiter, inbox);
  } finally {
    ignore();
  }
}

async function waitFor(
  access: Access,
  request: LockRequest,
  waiter: WaiterId,
  inbox: GrantInbox,
): Promise<Token> {
  const { signal } = access;
  const deadline = performance.now() + request.waitMs + LATE_MS;
  const pauseMs = await checkPause(access, request.session);
  for (;;) {
    const state = inbox.of(waiter);
    if (state === 'expired') throw new MemberError('SESSION_EXPIRED', 'The session expired while it waited.');
    if (state === 'ended') throw notGranted(request);
    if (state !== null) return signal.aborted ? await release(access, request, state) : state;
    const left = deadline - performance.now();
    if (signal.aborted || left <= 0) return await withdraw(access, request, waiter);
    if (await inbox.next(Math.min(pauseMs, left), signal)) await check(access, request, waiter, inbox);
  }
}

async function checkPause(access: Access, session: SessionId): Promise<number> {
  try {
    const [exists, , ttlMs] = await access.read(
      COORDINATION_GROUP,
      [QueryOp.SessionInspect, session],
      'session',
    );
    return exists ? Math.min(CHECK_MAX_MS, Math.max(CHECK_MIN_MS, ttlMs / 3)) : CHECK_MIN_MS;
  } catch (error) {
    if (isPassing(error)) return CHECK_MIN_MS;
    throw error;
  }
}

/** The caller's connection is its sign of life. A grant whose push was lost in a failover is found in the state. */
async function check(
  access: Access,
  request: LockRequest,
  waiter: WaiterId,
  inbox: GrantInbox,
): Promise<void> {
  try {
    await access.member.keepAlive(COORDINATION_GROUP, [request.session]);
    const [[state]] = await access.read(
      COORDINATION_GROUP,
      [QueryOp.LockWaiters, request.session, [waiter]],
      'session',
    );
    if (state === undefined || state[1] === 0 || inbox.of(waiter) !== null) return;
    inbox.take(
      state[1] > 0 ? [PushKind.LockGranted, waiter, state[1] as Token] : [PushKind.LockWaitEnded, waiter],
    );
  } catch (error) {
    // No leader for a moment: the waiter is in the log, and the wait's own deadline is the bound.
    if (!isPassing(error)) throw error;
  }
}

/** Whether the same request may succeed a moment later. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof MemberError &&
    isErrorCode(error.code) &&
    (ERROR_CODES[error.code].retry === 'resend' || error.code === 'TIMEOUT')
  );
}

function notGranted(request: LockRequest): MemberError {
  return new MemberError('TIMEOUT', `The lock was not granted within ${request.waitMs} ms.`);
}

async function withdraw(access: Access, request: LockRequest, waiter: WaiterId): Promise<Token> {
  const token = await insist(() =>
    access
      .write(COORDINATION_GROUP, [...header(Op.LockCancel, request.session), waiter])
      .then(([granted]) => granted),
  );
  if (access.signal.aborted) {
    if (token > 0) await release(access, request, token);
    throw access.signal.reason;
  }
  if (token > 0) return token;
  throw notGranted(request);
}

/** Gives a lock back that its caller will never learn of, and throws why. */
async function release(access: Access, request: LockRequest, token: Token): Promise<never> {
  await insist(async () => {
    await access.write(COORDINATION_GROUP, [...header(Op.LockRelease, request.session), request.name, token]);
    return 0 as Token;
  });
  throw access.signal.reason;
}

/**
 * Runs a cleaning write again while there is no leader. It gives up after some seconds: then the session's TTL
 * frees the lock. What is not there any more needs no cleaning.
 */
async function insist(run: () => Promise<Token>): Promise<Token> {
  const deadline = performance.now() + WITHDRAW_FOR_MS;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      const code = error instanceof MemberError ? error.code : null;
      if (code === 'NOT_FOUND' || code === 'LOCK_NOT_HELD' || code === 'SESSION_EXPIRED') return 0 as Token;
      if (!isPassing(error) || performance.now() >= deadline) throw error;
      await sleep(WITHDRAW_PAUSE_MS);
    }
  }
}
