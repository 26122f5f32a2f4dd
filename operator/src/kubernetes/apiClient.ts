import type { KubeConfig } from '@kubernetes/client-node';
import { type Dispatcher, request as send } from 'undici';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { KubeError } from '../runtime/kube.ts';
import { type Credential, Credentials } from './credentials.ts';
import { refusal } from './statusErrors.ts';

export interface ApiClientOptions {
  /** Called again when the server no longer knows the credentials. */
  readonly load: () => KubeConfig;
  readonly userAgent: string;
  readonly clock?: Clock;
  /** For one attempt, its whole answer included. Default 30000. */
  readonly timeoutMs?: number;
  /** First pause before a read is tried again; doubles. Default 100. */
  readonly retryMinMs?: number;
}
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Default: application/json. */
  readonly contentType?: string;
  /** In place of the client's. */
  readonly timeoutMs?: number;
}

const ATTEMPTS = 4;
/** A server that asks for more patience than this is told of as unavailable. */
const MAX_RETRY_AFTER_MS = 20_000;
/** Far above any list of one page; what is larger is no answer of an API server. */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

/**
 * Requests to one API server, JSON in and out as it is: unlike the library's typed clients nothing that these do not
 * know is dropped, and times stay text.
 *
 * Tried again is only what cannot have happened twice: what the server turned away with 429, what it did not know the
 * sender of, and reads that found no server.
 */
export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #clock: Clock;
  readonly #credentials: Credentials;
  readonly #closing = new AbortController();

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#credentials = new Credentials(options.load, this.#clock);
  }

  get clock(): Clock {
    return this.#clock;
  }
  get config(): KubeConfig {
    return this.#credentials.config;
  }

  /** The answer; throws `KubeError`. */
  async json(request: ApiRequest): Promise<unknown> {
    const timeoutMs = this.#timeoutMs(request);
    const text = await this.#exchange(request, () => AbortSignal.timeout(timeoutMs), readText);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new KubeError('Unavailable', `${nameOf(request)}: the answer is no JSON: ${text.slice(0, 200)}`, {
        cause: error,
      });
    }
  }

  /** An answer that goes on until `signal` aborts or either side ends it. Throws `KubeError` if there is none. */
  stream(request: ApiRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData['body']> {
    return this.#exchange(
      request,
      () => signal,
      async (response) => {
        // Without a listener, an abort between two reads would end the process.
        response.body.on('error', () => {});
        return response.body;
      },
    );
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#credentials.close();
  }

  async #exchange<R>(
    request: ApiRequest,
    signalFor: () => AbortSignal,
    read: (response: Dispatcher.ResponseData) => Promise<R>,
  ): Promise<R> {
    const body = request.body === undefined ? undefined : packed(request);
    let renewed = false;
    for (let attempt = 1; ; attempt++) {
      let credential: Credential | null = null;
      let response: Dispatcher.ResponseData;
      try {
        // A login plugin may hang.
        credential = await within(this.#credentials.current(), this.#timeoutMs(request));
        response = await this.#send(request, body, credential, signalFor());
        if (response.statusCode >= 200 && response.statusCode < 300) return await read(response);
      } catch (error) {
        const again = request.method === 'GET' && attempt < ATTEMPTS && isUnreached(error);
        if (!again) throw unreached(request, error);
        await this.#pause((this.#options.retryMinMs ?? 100) * 2 ** (attempt - 1));
        continue;
      }
      const text = await readText(response).catch(() => '');
      const { statusCode } = response;
      if (statusCode === 401 && !renewed) {
        renewed = true;
        if (await this.#renew(credential)) continue;
      }
      if (statusCode === 429 && attempt < ATTEMPTS) {
        const afterMs = retryAfterMs(response.headers['retry-after']);
        if (afterMs !== null && afterMs <= Math.min(MAX_RETRY_AFTER_MS, this.#timeoutMs(request))) {
          await this.#pause(afterMs);
          continue;
        }
      }
      throw refusal(statusCode, text, nameOf(request));
    }
  }

  #send(
    request: ApiRequest,
    body: string | undefined,
    credential: Credential,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const url = new URL(credential.server + request.path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return send(url, {
      method: request.method,
      dispatcher: credential.dispatcher,
      signal,
      headersTimeout: this.#timeoutMs(request),
      // The signal ends what takes too long; a watch may be silent for minutes.
      bodyTimeout: 0,
      headers: {
        ...credential.headers,
        accept: 'application/json',
        'user-agent': this.#options.userAgent,
        ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body }),
    });
  }

  #timeoutMs(request: ApiRequest): number {
    return request.timeoutMs ?? this.#options.timeoutMs ?? 30_000;
  }

  async #renew(credential: Credential): Promise<boolean> {
    try {
      return await this.#credentials.renew(credential);
    } catch {
      // The refusal at hand says more.
      return false;
    }
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      const closed = () => {
        cancel();
        reject(new KubeError('Unavailable', 'the connection to the API server is closed'));
      };
      const cancel = this.#clock.after(delayMs, () => {
        signal.removeEventListener('abort', closed);
        resolve();
      });
      if (signal.aborted) closed();
      else signal.addEventListener('abort', closed, { once: true });
    });
  }
}

async function within<R>(promise: Promise<R>, timeoutMs: number): Promise<R> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no credentials in time')), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function packed(request: ApiRequest): string {
  try {
    return JSON.stringify(request.body);
  } catch (error) {
    throw new KubeError('Invalid', `${nameOf(request)}: what is to be sent is no JSON: ${String(error)}`, {
      cause: error,
    });
  }
}

function nameOf({ method, path }: ApiRequest): string {
  return `${method} ${path}`;
}

async function readText({ body }: Dispatcher.ResponseData): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const part = chunk as Buffer;
    bytes += part.length;
    if (bytes > MAX_BODY_BYTES) {
      body.destroy();
      throw new Error(`the answer is larger than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(part);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const NEVER_ARRIVED = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

function isUnreached(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && NEVER_ARRIVED.has(code);
}

function unreached(request: ApiRequest, error: unknown): KubeError {
  if (error instanceof KubeError) return error;
  const reason = error instanceof Error ? describe(error) : String(error);
  return new KubeError('Unavailable', `${nameOf(request)}: ${reason}`, { cause: error });
}

function describe(error: Error): string {
  if (error.name === 'TimeoutError') return 'no answer in time';
  const { code } = error as NodeJS.ErrnoException;
  // A connection tried on several addresses fails with an empty message.
  return error.message === '' ? (code ?? error.name) : error.message;
}

/** Seconds, as API servers send it; null when there is none. */
function retryAfterMs(header: string | string[] | undefined): number | null {
  const text = Array.isArray(header) ? header[0] : header;
  return text !== undefined && /^\d{1,6}$/.test(text.trim()) ? Number(text) * 1000 : null;
}
