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
  return await listen(await createApi(options), options);
}

export async function createApi({ member, logger }: Pick<HttpOptions, 'member' | 'logger'>): Promise<App> {
  const app = createApp({ name: 'api', logger, bodyLimit: BODY_LIMIT, registry: member.registry });
  await addOpenApi(app, member.identity().version);
  addSessionRoutes(app, member);
  addLockRoutes(app, member);
  addQueueRoutes(app, member, new QueueDirectory(member));
  addCacheRoutes(app, member);
  addClusterRoutes(app, member);
  return app;
}
