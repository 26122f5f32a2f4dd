import type { Registry } from 'prom-client';
import { addCacheRoutes } from './cache.ts';
import { addClusterRoutes } from './cluster.ts';
import { type App, createApp, type Listener, type ListenOptions, listen } from './listener.ts';
import { addLockRoutes } from './locks.ts';
import type { MemberPort } from './memberPort.ts';
import { addOpenApi } from './openapi.ts';
import { QueueDirectory } from './queueDirectory.ts';
import { addQueueRoutes } from './queues.ts';
import { addSessionRoutes } from './sessions.ts';

/** One command's worth of values in base64, and the JSON around them. */
const BODY_LIMIT = 3 * 1024 * 1024;

export interface HttpOptions extends ListenOptions {
  member: MemberPort;
}

/** The public API: `/v1`, its document at `/openapi.json` and a page of it at `/docs`. */
export async function startHttp(options: HttpOptions): Promise<Listener> {
  return await listen(createApi(options), options);
}

export function createApi({ member, logger }: Pick<HttpOptions, 'member' | 'logger'>): App {
  const queues = new QueueDirectory(member);
  const create = (registry: Registry | null) =>
    createApp({ name: 'api', logger, bodyLimit: BODY_LIMIT, registry });
  const addRoutes = (app: App): void => {
    addSessionRoutes(app, member);
    addLockRoutes(app, member);
    addQueueRoutes(app, member, queues);
    addCacheRoutes(app, member);
    addClusterRoutes(app, member);
  };
  const app = create(member.registry);
  addRoutes(app);
  addOpenApi(app, async () => {
    const { addDocument } = await import('./openapiDocument.ts');
    // The same routes once more, for the document to be made of; requests for them never get there.
    const described = create(null);
    await addDocument(described, member.identity().version);
    addRoutes(described);
    return described;
  });
  return app;
}
