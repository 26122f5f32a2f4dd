import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { App } from './listener.ts';
import { MARK_HEADER } from './marks.ts';

const DESCRIPTION = `Locks, queues and a cache, replicated by Raft. Any member serves any request.

Errors are \`{"code", "message"}\` with a stable code. A reply carries the header \`${MARK_HEADER}\`; sent back with
the next request, it makes reads of level \`session\` see everything the caller has seen, on any member.`;

/** Must be called before routes are added: the document is made of what is added after it. */
export async function addDocument(app: App, version: string): Promise<void> {
  await app.fastify.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'SyncCluster', version, description: DESCRIPTION },
      tags: [
        { name: 'sessions', description: 'Owners of locks' },
        { name: 'locks', description: 'Leases with fencing tokens' },
        { name: 'queues', description: 'Durable, delivered at least once' },
        { name: 'cache', description: 'Replicated entries with versions' },
        { name: 'cluster', description: 'What the cluster looks like' },
      ],
    },
  });
  await app.fastify.register(swaggerUi, { routePrefix: '/docs', theme: { title: 'SyncCluster API' } });
  app.fastify.get('/openapi.json', { schema: { hide: true } }, () => app.fastify.swagger());
}
