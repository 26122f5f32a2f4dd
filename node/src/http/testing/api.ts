import type { InjectOptions } from 'fastify';
import { pino } from 'pino';
import { createApi } from '../api.ts';
import type { App } from '../listener.ts';
import { FakeMember } from './fakeMember.ts';

export interface Answer {
  status: number;
  json: Record<string, unknown>;
  headers: Record<string, unknown>;
}

/** The API over a fake member, called without a network. */
export interface TestApi {
  member: FakeMember;
  app: App;
  call(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    url: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  close(): Promise<void>;
}

export async function testApi(shards = 3): Promise<TestApi> {
  const member = new FakeMember(shards);
  const app = createApi({ member, logger: pino({ level: 'silent' }) });
  return {
    member,
    app,
    call: (method, url, body, headers) => inject(app, method, url, body, headers),
    async close() {
      await app.fastify.close();
      member.stop();
    },
  };
}

export async function inject(
  app: App,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const options: InjectOptions = { method, url, headers };
  if (body !== undefined) {
    options.payload = typeof body === 'string' ? body : JSON.stringify(body);
    options.headers = { 'content-type': 'application/json', ...headers };
  }
  const reply = await app.fastify.inject(options);
  return {
    status: reply.statusCode,
    json: reply.body === '' ? {} : (reply.json() as Record<string, unknown>),
    headers: reply.headers,
  };
}
