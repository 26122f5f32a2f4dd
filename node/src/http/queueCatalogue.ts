import { COORDINATION_GROUP, LIMITS, Op, QueryOp } from '@synccluster/client/protocol';
import { integer, list, object, text, withDefault } from '../schema.ts';
import type { App } from './listener.ts';
import type { MemberPort } from './memberPort.ts';
import { type QueueDirectory, type QueueEntry, slotTableOf } from './queueDirectory.ts';
import { Access, addRoute, nothing, readLevel } from './route.ts';
import { header } from './sessions.ts';

const MAX = Number.MAX_SAFE_INTEGER;
export const queueParams = object('Which queue', { name: text('Name of the queue', LIMITS.nameBytes) });
const partitions = integer('Number of partitions; the default is one per shard', 1, LIMITS.partitionsMax);
export const visibilityMs = integer(
  'How long a dequeued message stays hidden before it is delivered again, in ms',
  LIMITS.visibilityMinMs,
  LIMITS.visibilityMaxMs,
);
const queueReply = object('The queue', {
  name: text('Name of the queue', LIMITS.nameBytes),
  partitions,
  visibilityMs,
  generation: integer('Rises with every declaration and deletion', 1, MAX),
});
/** Declaring, deleting and looking at queues. */
export function addCatalogueRoutes(app: App, member: MemberPort, directory: QueueDirectory): void {
  addRoute(
    app,
    {
      method: 'PUT',
      url: '/v1/queues/:name',
      tag: 'queues',
      summary: 'Declare a queue',
      description: 'The same declaration again changes nothing. Answers when the queue can be used.',
      params: queueParams,
      body: object(
        'How the queue is to be',
        { visibilityMs: withDefault(visibilityMs, 30_000) },
        { partitions },
      ),
      reply: queueReply,
      refusals: ['CONFLICT'],
    },
    async ({ params, body: wanted, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const count = wanted.partitions ?? shardsOf(slotTableOf(member));
      const [generation] = await access.write(COORDINATION_GROUP, [
        ...header(Op.QueueDeclare),
        params.name,
        [count, wanted.visibilityMs],
      ]);
      directory.forget();
      const queue = {
        name: params.name,
        partitions: count,
        visibilityMs: wanted.visibilityMs,
        generation,
      };
      await Promise.all(
        directory
          .groupsOf(queue)
          .map((group) =>
            directory.settled(access, params.name, () =>
              access.read(group, [QueryOp.QueueInspect, params.name], 'linearizable'),
            ),
          ),
      );
      return queue;
    },
  );

  addRoute(
    app,
    {
      method: 'DELETE',
      url: '/v1/queues/:name',
      tag: 'queues',
      summary: 'Delete a queue and its messages',
      params: queueParams,
      reply: nothing,
      refusals: ['NOT_FOUND'],
    },
    async ({ params, request, reply }) => {
      const access = new Access(member, app, request, reply);
      await access.write(COORDINATION_GROUP, [...header(Op.QueueDelete), params.name]);
      directory.forget();
      return {};
    },
  );

  const depth = object('A partition', {
    partition: integer('Its number, from 0', 0, LIMITS.partitionsMax - 1),
    ready: integer('Messages that a dequeue would give', 0, MAX),
    inFlight: integer('Messages delivered and not yet acknowledged', 0, MAX),
    delayed: integer('Messages hidden until their delay has passed', 0, MAX),
    sizeBytes: integer('Size of all of them', 0, MAX),
  });
  addRoute(
    app,
    {
      method: 'GET',
      url: '/v1/queues/:name',
      tag: 'queues',
      summary: 'Configuration and depth of a queue',
      params: queueParams,
      query: object('How to read', { level: withDefault(readLevel, 'session') }),
      reply: object('The queue', {
        name: text('Name of the queue', LIMITS.nameBytes),
        partitions,
        visibilityMs,
        generation: integer('Rises with every declaration and deletion', 1, MAX),
        depths: list('Its partitions in order', depth),
      }),
      refusals: ['NOT_FOUND', 'MOVED'],
    },
    async ({ params, query, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const inspect = async (queue: QueueEntry) => {
        const answers = await Promise.all(
          directory
            .groupsOf(queue)
            .map((group) => access.read(group, [QueryOp.QueueInspect, params.name], query.level)),
        );
        const depths = Array.from({ length: queue.partitions }, (_, partition) => ({
          // A partition that nothing was ever put into is not reported by its group.
          partition,
          ready: 0,
          inFlight: 0,
          delayed: 0,
          sizeBytes: 0,
        }));
        for (const [parts] of answers) {
          for (const [partition, ready, inFlight, delayed, sizeBytes] of parts) {
            depths[partition] = { partition, ready, inFlight, delayed, sizeBytes };
          }
        }
        return { ...queue, depths };
      };
      return await directory.settled(access, params.name, inspect);
    },
  );
}

function shardsOf(table: Uint8Array): number {
  return Math.max(1, new Set(table).size);
}
