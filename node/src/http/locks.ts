import {
  COORDINATION_GROUP,
  LIMITS,
  LockMode,
  type LockModeValue,
  Op,
  QueryOp,
  type Token,
} from '@synccluster/client/protocol';
import { integer, list, object, oneOf, type Schema, text, withDefault } from '../schema.ts';
import type { App } from './listener.ts';
import { acquireWaiting, tryAcquire } from './lockWait.ts';
import type { MemberPort } from './memberPort.ts';
import { Access, addRoute, nothing, readLevel } from './route.ts';
import { header, sessionField } from './sessions.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const lockParams = object('Which lock', { name: text('Name of the lock', LIMITS.nameBytes) });
const token = integer(
  'Fencing token: rises with every grant, so that a store can refuse an older holder',
  1,
  MAX,
) as Schema<Token>;
const mode = oneOf('`exclusive`: alone; `shared`: together with other shared holders', [
  'exclusive',
  'shared',
]);
const WORD: Record<LockModeValue, 'exclusive' | 'shared'> = {
  [LockMode.Exclusive]: 'exclusive',
  [LockMode.Shared]: 'shared',
};

export function addLockRoutes(app: App, member: MemberPort): void {
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/locks/:name/acquire',
      tag: 'locks',
      summary: 'Acquire a lock',
      description:
        'Waits up to waitMs in the order of arrival, and keeps the session alive meanwhile. A caller that disconnects gives up its place.',
      params: lockParams,
      body: object('Who wants the lock, and how', {
        session: sessionField,
        mode: withDefault(mode, 'exclusive'),
        waitMs: withDefault(
          integer('How long to wait for it, in ms; 0 does not wait', 0, LIMITS.longPollMaxMs),
          0,
        ),
      }),
      reply: object('The lock is held', { token }),
      refusals: ['LOCK_HELD', 'SESSION_EXPIRED', 'CANCELLED'],
    },
    async ({ params, body, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const wanted = {
        session: body.session,
        name: params.name,
        mode: body.mode === 'shared' ? LockMode.Shared : LockMode.Exclusive,
        waitMs: body.waitMs,
      };
      return { token: await (body.waitMs === 0 ? tryAcquire : acquireWaiting)(access, wanted) };
    },
  );

  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/locks/:name/release',
      tag: 'locks',
      summary: 'Release a lock',
      params: lockParams,
      body: object('Which grant to release', { session: sessionField, token }),
      reply: nothing,
      refusals: ['LOCK_NOT_HELD', 'SESSION_EXPIRED'],
    },
    async ({ params, body, request, reply }) => {
      const access = new Access(member, app, request, reply);
      await access.write(COORDINATION_GROUP, [
        ...header(Op.LockRelease, body.session),
        params.name,
        body.token,
      ]);
      return {};
    },
  );

  addRoute(
    app,
    {
      method: 'GET',
      url: '/v1/locks/:name',
      tag: 'locks',
      summary: 'Who holds a lock and who waits for it',
      params: lockParams,
      query: object('How to read', { level: withDefault(readLevel, 'session') }),
      reply: object('Holders and waiters; both empty for a lock that nobody uses', {
        holders: list('Who holds it', object('A holder', { session: sessionField, token, mode })),
        waiters: list(
          'Who waits, the next one first',
          object(
            'A waiter',
            { session: sessionField, waiter: integer('Its id', 1, MAX), mode },
            { dueAtMs: integer('Cluster time in ms at which it gives up; missing: never', 1, MAX) },
          ),
        ),
      }),
    },
    async ({ params, query, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const [holders, waiters] = await access.read(
        COORDINATION_GROUP,
        [QueryOp.LockInspect, params.name],
        query.level,
      );
      return {
        holders: holders.map(([session, held, how]) => ({ session, token: held, mode: WORD[how] })),
        waiters: waiters.map(([session, waiter, how, dueStampMs]) => ({
          session,
          waiter,
          mode: WORD[how],
          ...(Number.isSafeInteger(dueStampMs) && dueStampMs > 0 ? { dueAtMs: dueStampMs } : {}),
        })),
      };
    },
  );
}
