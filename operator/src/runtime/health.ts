import fastify from 'fastify';
import type { Registry } from 'prom-client';

export interface HealthOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly registry: Registry;
  /** Null: ready; else why not. */
  readonly notReadyReason: () => string | null;
}
export interface HealthServer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startHealth({
  host,
  port,
  registry,
  notReadyReason,
}: HealthOptions): Promise<HealthServer> {
  const app = fastify({ forceCloseConnections: true });
  app.get('/livez', () => 'ok\n');
  app.get('/readyz', (_request, reply) => {
    const reason = notReadyReason();
    return reply.code(reason === null ? 200 : 503).send(`${reason ?? 'ok'}\n`);
  });
  app.get('/metrics', async (_request, reply) => {
    const text = await registry.metrics();
    return reply.header('content-type', registry.contentType).send(text);
  });
  await app.listen({ host, port });
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    stop: () => app.close(),
  };
}
