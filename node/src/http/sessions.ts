import {
  COORDINATION_GROUP,
  LIMITS,
  Op,
  SCHEMA_VERSION,
  type Seq,
  type SessionId,
} from '@synccluster/client/protocol';
import { integer, object, type Schema, text, withDefault } from '../schema.ts';
import type { App } from './listener.ts';
import type { MemberPort } from './memberPort.ts';
import { Access, addRoute, nothing } from './route.ts';

const NO_SEQ = 0 as Seq;

/** Header of a command that is applied as it comes: its reply is not kept, so HTTP never resends by itself. */
export function header<O extends number>(
  op: O,
  session: SessionId = 0 as SessionId,
): readonly [O, number, SessionId, Seq, Seq] {
  return [op, SCHEMA_VERSION, session, NO_SEQ, NO_SEQ];
}

export const sessionField = integer(
  'A session, as POST /v1/sessions gave it',
  1,
  Number.MAX_SAFE_INTEGER,
) as Schema<SessionId>;

const sessionParams = object('Which session', { session: sessionField });

/** Sessions own locks, so over HTTP they are registered with the coordination group alone. */
export function addSessionRoutes(app: App, member: MemberPort): void {
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/sessions',
      tag: 'sessions',
      summary: 'Open a session',
      description:
        'Locks belong to a session and are released when it closes, or is not kept alive for ttlMs.',
      body: object('The session to open', {
        ttlMs: withDefault(
          integer('Silence after which it expires, in ms', LIMITS.sessionTtlMinMs, LIMITS.sessionTtlMaxMs),
          30_000,
        ),
        label: withDefault(text('Name for people', LIMITS.labelBytes, { emptyAllowed: true }), ''),
      }),
      reply: object('The session', {
        session: sessionField,
        ttlMs: integer(
          'Silence after which it expires, in ms',
          LIMITS.sessionTtlMinMs,
          LIMITS.sessionTtlMaxMs,
        ),
      }),
    },
    async ({ body, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const [session] = await access.write(COORDINATION_GROUP, [
        ...header(Op.SessionOpen),
        body.ttlMs,
        body.label,
      ]);
      return { session, ttlMs: body.ttlMs };
    },
  );

  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/sessions/:session/keepalive',
      tag: 'sessions',
      summary: 'Keep a session alive',
      params: sessionParams,
      reply: object('The session lives for another ttlMs', { session: sessionField }),
      refusals: ['SESSION_EXPIRED'],
    },
    async ({ params, request, reply }) => {
      const access = new Access(member, app, request, reply);
      await access.member.keepAlive(COORDINATION_GROUP, [params.session]);
      return { session: params.session };
    },
  );

  addRoute(
    app,
    {
      method: 'DELETE',
      url: '/v1/sessions/:session',
      tag: 'sessions',
      summary: 'Close a session and release its locks',
      params: sessionParams,
      reply: nothing,
      refusals: ['SESSION_EXPIRED'],
    },
    async ({ params, request, reply }) => {
      const access = new Access(member, app, request, reply);
      await access.write(COORDINATION_GROUP, header(Op.SessionClose, params.session));
      return {};
    },
  );
}
