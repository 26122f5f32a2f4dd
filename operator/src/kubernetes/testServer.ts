import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../runtime/clock.ts';
import { ApiClient } from './apiClient.ts';

/** One request as it arrived. */
export interface Arrived {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
  readonly request: IncomingMessage;
}
export interface TestServer {
  readonly url: string;
  readonly arrived: Arrived[];
  /** Connections open now. */
  connections(): Promise<number>;
  close(): Promise<void>;
}
export type Answer = (arrived: Arrived, response: ServerResponse) => void | Promise<void>;

/** An HTTP server that answers as the test says. */
export async function startTestServer(answer: Answer, port = 0): Promise<TestServer> {
  const arrived: Arrived[] = [];
  const server: Server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? '/', 'http://server');
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString('utf8');
      const one: Arrived = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        body: text === '' ? null : JSON.parse(text),
        request,
      };
      arrived.push(one);
      await answer(one, response);
    })().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    arrived,
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
      ),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function configFor(server: string, token = 'secret'): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'test', server, skipTLSVerify: true }, { name: 'operator', token });
  return config;
}

export function clientOf(
  server: { readonly url: string },
  options: { clock?: Clock; timeoutMs?: number; load?: () => KubeConfig } = {},
): ApiClient {
  return new ApiClient({
    load: () => configFor(server.url),
    userAgent: 'synccluster-operator/test',
    retryMinMs: 1,
    ...options,
  });
}

export function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function sendStatus(response: ServerResponse, code: number, reason: string, message: string): void {
  sendJson(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, code });
}
