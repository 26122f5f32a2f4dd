import type { GroupId } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import { integer, list, object, oneOf, text } from '../schema.ts';
import { type App, createApp, type Listener, type ListenOptions, listen } from './listener.ts';
import type { IdentityView, MemberPort, MemberStatus } from './memberPort.ts';
import { addRoute, nothing } from './route.ts';

const BODY_LIMIT = 64 * 1024;
const MAX_ID = 2 ** 48 - 1;

const memberId = integer('Id of a member', 1, MAX_ID);
const ordinal = integer('Position of a member', 0, 64);
const group = integer('A Raft group; 0 is coordination', 0, 64);

export interface AdminOptions extends ListenOptions {
  member: MemberPort;
}

/** The listener that the operator talks to. Its calls are those of docs/architecture.md. */
export async function startAdmin(options: AdminOptions): Promise<Listener> {
  return await listen(createAdmin(options), options);
}

export function createAdmin({ member, logger }: Pick<AdminOptions, 'member' | 'logger'>): App {
  const app = createApp({ name: 'admin', logger, bodyLimit: BODY_LIMIT, registry: member.registry });
  // Reads answer with the views as they are: their shape is TypeScript's to check, and no document shows them.
  app.fastify.get('/admin/v1/identity', (): IdentityView => member.identity());
  app.fastify.get('/admin/v1/status', (): MemberStatus => {
    const status = member.status();
    if (status !== null) return status;
    throw new MemberError('UNAVAILABLE', 'This member has not been admitted to a cluster yet.');
  });
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/bootstrap',
      tag: 'admin',
      summary: 'Found a cluster with this member as its only voter',
      body: object('The new cluster', {
        clusterId: text('Id of the cluster', 64),
        shards: integer('Number of data groups, fixed for its life', 1, 64),
      }),
      reply: object('Founded, now or before', { clusterId: text('Id of the cluster', 64) }),
      refusals: ['CONFLICT'],
    },
    async ({ body }) => {
      await member.bootstrap(body.clusterId, body.shards);
      return { clusterId: body.clusterId };
    },
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/roster',
      tag: 'admin',
      summary: 'Change the roster',
      body: object('The change', {
        expectedVersion: integer('Version that the change was made for', 0, Number.MAX_SAFE_INTEGER),
        changes: list(
          'Members and what they are to be',
          object('A member', {
            memberId,
            ordinal,
            target: oneOf('What it is to be', ['learner', 'voter', 'removed']),
          }),
          1,
          16,
        ),
      }),
      reply: object('Changed', {
        version: integer('The new version', 0, Number.MAX_SAFE_INTEGER),
      }),
      refusals: ['CONFLICT'],
    },
    async ({ body }) => ({ version: await member.changeRoster(body.expectedVersion, body.changes) }),
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/handover',
      tag: 'admin',
      summary: 'Give every leadership away and take none for 60 s',
      reply: object('Handed over as far as it went', {
        remaining: list('Groups it still leads', group),
      }),
    },
    async () => ({ remaining: await member.handover() }),
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/transfer',
      tag: 'admin',
      summary: 'Transfer the leadership of one group',
      body: object('Which group, and to whom', { group, to: memberId }),
      reply: object('Whether the transfer began', {
        accepted: { type: 'boolean', description: 'False: the other member is no fit voter' },
      }),
      refusals: ['NOT_LEADER', 'NOT_FOUND'],
    },
    async ({ body }) => ({ accepted: await member.transfer(body.group as GroupId, body.to) }),
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/reset',
      tag: 'admin',
      summary: 'Set the volume aside and come back under a new id',
      body: object('Whose volume', { memberId }),
      reply: nothing,
      refusals: ['CONFLICT'],
    },
    async ({ body }) => {
      await member.reset(body.memberId);
      return {};
    },
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/admin/v1/recover',
      tag: 'admin',
      summary: 'Go on alone as a new cluster, after the quorum of the old one is lost for good',
      body: object('Whose data, and under which id it goes on', {
        memberId,
        clusterId: text('Id of the lost cluster', 64),
        newClusterId: text('Id that it goes on under', 64),
      }),
      reply: nothing,
      refusals: ['CONFLICT'],
    },
    async ({ body }) => {
      await member.recover(body.memberId, body.clusterId, body.newClusterId);
      return {};
    },
  );
  return app;
}
