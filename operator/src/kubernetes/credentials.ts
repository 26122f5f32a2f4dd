import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { type HttpMethod, type KubeConfig, RequestContext } from '@kubernetes/client-node';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import type { Clock } from '../runtime/clock.ts';

/** All that one request needs to reach the server as somebody it knows. */
export interface Credential {
  /** Without a slash at the end; a server behind a gateway has a path of its own. */
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
}

/** Tokens and certificates rotate in files: they are read again after this. */
const FRESH_MS = 5_000;
/** A server that refuses who we are is not asked with newly made credentials more often than this. */
const RENEW_PAUSE_MS = 10_000;

/**
 * The logins that the library knows (certificates, tokens, token files, exec plugins, OIDC), turned into headers and
 * one connection pool. The library would make a pool, and a TLS handshake, for each request.
 */
export class Credentials {
  readonly #load: () => KubeConfig;
  readonly #clock: Clock;
  #config: KubeConfig;
  #current: Promise<Credential> | null = null;
  #madeMs = 0;
  #renewedMs = Number.NEGATIVE_INFINITY;
  #pool: { readonly identity: string; readonly dispatcher: Dispatcher } | null = null;
  #closed = false;

  constructor(load: () => KubeConfig, clock: Clock) {
    this.#load = load;
    this.#clock = clock;
    this.#config = load();
  }

  get config(): KubeConfig {
    return this.#config;
  }

  /** Requests at the same time share one login. */
  current(): Promise<Credential> {
    if (this.#closed) return Promise.reject(new Error('the connection to the API server is closed'));
    if (this.#current !== null && this.#clock.now() - this.#madeMs < FRESH_MS) return this.#current;
    this.#madeMs = this.#clock.now();
    const made = this.#make();
    this.#current = made;
    made.catch(() => {
      if (this.#current === made) this.#current = null;
    });
    return made;
  }

  /** After the server did not know `refused`; false when there is nothing newer to try. */
  async renew(refused: Credential): Promise<boolean> {
    if ((await this.current()).headers['authorization'] !== refused.headers['authorization']) return true;
    if (this.#clock.now() - this.#renewedMs < RENEW_PAUSE_MS) return false;
    this.#renewedMs = this.#clock.now();
    // The library caches what a plugin or a token file gave; a new configuration asks again.
    this.#config = this.#load();
    this.#current = null;
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.dispatcher.destroy();
  }

  async #make(): Promise<Credential> {
    const config = this.#config;
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig names no current cluster');
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const headers: Record<string, string> = {};
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (value !== undefined) headers[name.toLowerCase()] = String(value).trim();
    }
    if (typeof options.auth === 'string')
      headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    return {
      server: cluster.server.replace(/\/+$/, ''),
      headers,
      dispatcher: await this.#dispatcher(config, options),
    };
  }

  /** The same pool as long as certificates stay the same. */
  async #dispatcher(config: KubeConfig, options: RequestOptions): Promise<Dispatcher> {
    const cluster = config.getCurrentCluster();
    const identity = createHash('sha256')
      .update(
        JSON.stringify([
          cluster?.server,
          cluster?.proxyUrl,
          ...TLS_OPTIONS.map((name) => String(options[name])),
        ]),
      )
      .digest('hex');
    if (this.#pool?.identity === identity) return this.#pool.dispatcher;
    const dispatcher = await makeDispatcher(config, options);
    if (this.#closed) await dispatcher.destroy();
    const old = this.#pool?.dispatcher;
    this.#pool = { identity, dispatcher };
    // Requests and watches under way end by themselves.
    void old?.close().catch(() => {});
    return dispatcher;
  }
}

async function makeDispatcher(config: KubeConfig, options: RequestOptions): Promise<Dispatcher> {
  const cluster = config.getCurrentCluster();
  const proxy = cluster?.proxyUrl;
  // HTTP/1.1: a connection of its own for each watch, so that one that breaks or stalls takes no other with it.
  const common = { allowH2: false, keepAliveTimeout: 15_000 };
  const tls = tlsOf(options);
  if (proxy === undefined || proxy === '') {
    // Kernel probes find a peer that vanished without a word.
    const connect = { ...tls, timeout: 10_000, keepAlive: true, keepAliveInitialDelay: 30_000 };
    return new Agent({ ...common, connect });
  }
  if (!proxy.startsWith('socks')) return new ProxyAgent({ ...common, uri: proxy, requestTls: tls });
  // The way through a SOCKS proxy is private to the library: the pool it makes for one request serves for all.
  const context = new RequestContext(cluster?.server ?? '', 'GET' as HttpMethod);
  await config.applySecurityAuthentication(context);
  const dispatcher: unknown = context.getDispatcher();
  if (dispatcher === undefined) throw new Error('no way through the SOCKS proxy');
  return dispatcher as Dispatcher;
}

const TLS_OPTIONS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'rejectUnauthorized', 'servername'] as const;

function tlsOf(options: RequestOptions): Pick<RequestOptions, (typeof TLS_OPTIONS)[number]> {
  return Object.fromEntries(
    TLS_OPTIONS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}
