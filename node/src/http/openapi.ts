import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './listener.ts';

/**
 * Serves the document and its page from an application of their own, which is built at the first request for
 * either: the libraries it takes hold several megabytes that most members never need. A failure is not kept; the
 * next request tries again.
 */
export function addOpenApi(app: App, describe: () => Promise<App>): void {
  let described: Promise<FastifyInstance> | null = null;
  const build = async (): Promise<FastifyInstance> => {
    try {
      const { fastify } = await describe();
      await fastify.ready();
      return fastify;
    } catch (error) {
      described = null;
      throw error;
    }
  };
  const serve = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    described ??= build();
    const fastify = await described;
    reply.hijack();
    fastify.routing(request.raw, reply.raw);
  };
  for (const url of ['/openapi.json', '/docs', '/docs/*']) app.fastify.get(url, serve);
  app.fastify.addHook('onClose', async () => {
    await described?.then(
      (fastify) => fastify.close(),
      () => {},
    );
  });
}
