import { COORDINATION_GROUP, LIMITS, QueryOp } from '@synccluster/client/protocol';
import { integer, list, object, oneOf, text } from '../schema.ts';
import type { App } from './listener.ts';
import type { MemberPort } from './memberPort.ts';
import { Access, addRoute } from './route.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const memberId = integer('Id of a member', 0, MAX);

export function addClusterRoutes(app: App, member: MemberPort): void {
  addRoute(
    app,
    {
      method: 'GET',
      url: '/v1/cluster',
      tag: 'cluster',
      summary: 'Members, groups and queues',
      reply: object('The cluster as the member that answers sees it', {
        clusterId: text('Id of the cluster', 64),
        member: object('The member that answers', {
          id: memberId,
          ordinal: integer('Its position', 0, 64),
          version: text('Version of its program', 64),
        }),
        shards: integer('Number of data groups', 0, 64),
        slotEpoch: integer('Rises when slots move', 0, MAX),
        members: list(
          'Members as the roster wants them',
          object(
            'A member',
            {
              id: memberId,
              ordinal: integer('Its position', 0, 64),
              target: oneOf('What it is to be in every group', ['learner', 'voter', 'removed']),
            },
            {
              client: text('host:port of its client listener, once it was heard of', 1024),
              http: text('host:port of its HTTP listener, once it was heard of', 1024),
            },
          ),
        ),
        groups: list(
          'Raft groups; 0 is coordination',
          object('A group', {
            group: integer('Number of the group', 0, 64),
            leader: integer('Id of its leader; 0: unknown', 0, MAX),
          }),
        ),
        queues: list(
          'Declared queues',
          object('A queue', {
            name: text('Its name', LIMITS.nameBytes),
            partitions: integer('Number of partitions', 1, LIMITS.partitionsMax),
            visibilityMs: integer('Its visibility timeout in ms', 0, MAX),
          }),
        ),
      }),
    },
    async ({ request, reply }) => {
      const access = new Access(member, app, request, reply);
      const [clusterId, slotEpoch, table, , roster, , queues] = await access.read(
        COORDINATION_GROUP,
        [QueryOp.ClusterInspect],
        'session',
      );
      const { memberId: id, ordinal, version } = member.identity();
      const addresses = new Map(member.addresses().map((address) => [address.id, address]));
      return {
        clusterId,
        member: { id, ordinal, version },
        shards: new Set(table).size,
        slotEpoch,
        members: roster.map(([rosterId, position, target]) => {
          const known = addresses.get(rosterId);
          return {
            id: rosterId,
            ordinal: position,
            target,
            ...(known === undefined ? {} : { client: known.client }),
            ...(known?.http === undefined ? {} : { http: known.http }),
          };
        }),
        groups: (member.status()?.groups ?? []).map(({ group, leader }) => ({ group, leader })),
        queues: queues.flatMap(([name, , config]) =>
          config === null ? [] : [{ name, partitions: config[0], visibilityMs: config[1] }],
        ),
      };
    },
  );
}
