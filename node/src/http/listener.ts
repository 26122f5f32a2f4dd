import type { Socket } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { Histogram, type Registry } from 'prom-client';
import { MemberError } from '../errors.ts';
import { answerBrokenRequest, sendError } from './errorReply.ts';
import { parseJson } from './json.ts';

/** A listener that answers. */
export interface Listener {
  /** The port it really has, also when 0 was asked for. */
  readonly port: number;
  /** Ends long polls at once and closes; connections that are still busy after 2 s are cut. */
  close(): Promise<void>;
}

export interface ListenOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  logger: FastifyBaseLogger;
}

/** An application that is not listening yet. `stopping` is aborted when it is to close. */
export interface App {
  readonly fastify: FastifyInstance;
  readonly stopping: AbortController;
}

const CLOSE_MS = 2_000;
/** Paths carry names and keys, percent-encoded: three characters a byte at most. */
const MAX_PARAM_LENGTH = 3 * 1024 + 64;

export interface AppOptions {
  name: 'api' | 'admin' | 'health';
  logger: FastifyBaseLogger;
  /** Of a request's body, in bytes. */
  bodyLimit: number;
  /** Where requests are counted; null: they are not. */
  registry: Registry | null;
}

/**
 * A fastify instance with the error shape, JSON reading and metrics that all listeners share. Schemas are checked
 * by the routes themselves (`route.ts`), so the compilers that fastify would load are replaced by nothing.
 */
export function createApp(options: AppOptions): App {
  const stopping = new AbortController();
  const app = fastify({
    loggerInstance: options.logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: options.bodyLimit,
    requestTimeout: 60_000,
    keepAliveTimeout: 72_000,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    schemaController: {
      compilersFactory: {
        // Typed by fastify as what its own validator library compiles.
        buildValidator: (() => () => () => true) as never,
        buildSerializer: () => () => JSON.stringify,
      },
    },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      sendError(error, request as FastifyRequest, reply as FastifyReply);
    },
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler((request, reply) => {
    sendError(
      new MemberError('NOT_FOUND', `There is no ${request.method} ${shorten(request.url)} here.`),
      request,
      reply,
    );
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addHook('onRequest', (_request, _reply, done) => {
    done(stopping.signal.aborted ? stoppingError() : undefined);
  });
  if (options.registry !== null) countRequests(app, options.name, options.registry);
  return { fastify: app, stopping };
}

function shorten(url: string): string {
  return url.length > 100 ? `${url.slice(0, 100)}…` : url;
}

export function stoppingError(): MemberError {
  return new MemberError('UNAVAILABLE', 'This member is stopping; send the request again.');
}

const DURATION = 'synccluster_http_request_duration_seconds';

function countRequests(app: FastifyInstance, listener: string, registry: Registry): void {
  const durations =
    (registry.getSingleMetric(DURATION) as Histogram | undefined) ??
    new Histogram({
      name: DURATION,
      help: 'Requests of the HTTP listeners, long polls included',
      labelNames: ['listener', 'method', 'route', 'code'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 60],
      registers: [registry],
    });
  app.addHook('onResponse', (request, reply, done) => {
    // The pattern, never the path: names in labels would make a series of each.
    const route = request.routeOptions.url ?? 'unmatched';
    durations.observe(
      { listener, method: request.method, route, code: reply.statusCode },
      reply.elapsedTime / 1000,
    );
    done();
  });
}

export async function listen(app: App, options: ListenOptions): Promise<Listener> {
  const { server } = app.fastify;
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await app.fastify.listen({ host: options.host, port: options.port });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the listener has no port');
  let closed: Promise<void> | null = null;
  return {
    port: address.port,
    close() {
      closed ??= close(app, sockets);
      return closed;
    },
  };
}

async function close(app: App, sockets: Iterable<Socket>): Promise<void> {
  app.stopping.abort(stoppingError());
  for (const socket of sockets) {
    // Opened ahead and never used: the server takes such a connection for busy and would wait for it.
    if (socket.bytesRead === 0) socket.destroy();
  }
  const force = setTimeout(() => app.fastify.server.closeAllConnections(), CLOSE_MS);
  try {
    await app.fastify.close();
  } finally {
    clearTimeout(force);
  }
}
