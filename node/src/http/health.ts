import { MemberError } from '../errors.ts';
import { type App, createApp, type Listener, type ListenOptions, listen } from './listener.ts';
import type { MemberPort } from './memberPort.ts';

export interface HealthOptions extends ListenOptions {
  member: Pick<MemberPort, 'notReadyReason' | 'registry'>;
}

/** Probes and metrics; always plain HTTP, so that kubelet and Prometheus need no certificate. */
export async function startHealth(options: HealthOptions): Promise<Listener> {
  return await listen(createHealth(options), options);
}

export function createHealth({ member, logger }: Pick<HealthOptions, 'member' | 'logger'>): App {
  const app = createApp({ name: 'health', logger, bodyLimit: 1024, registry: null });
  // Says only that the event loop turns. Quorum is no reason to restart: that would make an outage longer.
  app.fastify.get('/livez', (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  app.fastify.get('/readyz', (_request, reply) => {
    const reason = member.notReadyReason();
    if (reason !== null) throw new MemberError('UNAVAILABLE', reason);
    return reply.type('text/plain; charset=utf-8').send('ok\n');
  });
  app.fastify.get('/metrics', async (_request, reply) => {
    const text = await member.registry.metrics();
    return reply.type(member.registry.contentType).send(text);
  });
  return app;
}
