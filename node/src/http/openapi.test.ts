import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestApi, testApi } from './testing/api.ts';

type Json = Record<string, unknown>;
interface Operation {
  summary: string;
  tags: string[];
  parameters?: { in: string; name: string; description?: string; schema: Json }[];
  requestBody?: { content: Record<string, { schema: Json }> };
  responses: Record<string, { description: string; content: Record<string, { schema: Json }> }>;
}

let api: TestApi;
let document: { openapi: string; info: Json; paths: Record<string, Record<string, Operation>>; tags: Json[] };
beforeAll(async () => {
  api = await testApi();
  document = (await api.call('GET', '/openapi.json')).json as unknown as typeof document;
});
afterAll(() => api.close());

function operations(): [name: string, path: string, operation: Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      path,
      operation,
    ]),
  );
}

/** Paths of schemas without a description. */
function undescribed(schema: Json, at: string): string[] {
  const missing = typeof schema['description'] === 'string' && schema['description'] !== '' ? [] : [at];
  const properties = (schema['properties'] ?? {}) as Record<string, Json>;
  for (const [name, property] of Object.entries(properties)) {
    missing.push(...undescribed(property, `${at}.${name}`));
  }
  if (schema['items'] !== undefined) missing.push(...undescribed(schema['items'] as Json, `${at}[]`));
  return missing;
}

describe('the OpenAPI document', () => {
  it('has every route of the API', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(
      operations()
        .map(([name]) => name)
        .sort(),
    ).toEqual([
      'DELETE /v1/cache/{key}',
      'DELETE /v1/queues/{name}',
      'DELETE /v1/sessions/{session}',
      'GET /v1/cache/{key}',
      'GET /v1/cluster',
      'GET /v1/locks/{name}',
      'GET /v1/queues/{name}',
      'POST /v1/locks/{name}/acquire',
      'POST /v1/locks/{name}/release',
      'POST /v1/queues/{name}/ack',
      'POST /v1/queues/{name}/dequeue',
      'POST /v1/queues/{name}/extend',
      'POST /v1/queues/{name}/messages',
      'POST /v1/queues/{name}/nack',
      'POST /v1/sessions',
      'POST /v1/sessions/{session}/keepalive',
      'PUT /v1/cache/{key}',
      'PUT /v1/queues/{name}',
    ]);
  });

  it('describes every parameter, field and reply', () => {
    const missing = operations().flatMap(([name, , operation]) => [
      ...(operation.summary ? [] : [`${name} summary`]),
      ...(operation.parameters ?? [])
        .filter(({ description }) => !description)
        .map((p) => `${name} ${p.name}`),
      ...Object.values(operation.requestBody?.content ?? {}).flatMap(({ schema }) =>
        undescribed(schema, name),
      ),
      ...Object.entries(operation.responses).flatMap(([status, { description, content }]) => [
        ...(description && description !== 'Default Response' ? [] : [`${name} ${status}`]),
        ...Object.values(content).flatMap(({ schema }) => undescribed(schema, `${name} ${status}`)),
      ]),
    ]);
    expect(missing).toEqual([]);
  });

  it('names each parameter that its path has, and only tags that it explains', () => {
    const tags = document.tags.map(({ name }) => name);
    for (const [name, path, operation] of operations()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
      const named = (operation.parameters ?? []).filter((p) => p.in === 'path').map((p) => p.name);
      expect([name, named]).toEqual([name, inPath]);
      expect(tags).toEqual(expect.arrayContaining(operation.tags));
    }
  });

  it('lists the refusals that a route can give', () => {
    const acquire = document.paths['/v1/locks/{name}/acquire']?.['post'];
    expect(acquire?.responses['409']?.description).toBe('LOCK_HELD');
    expect(acquire?.responses['503']?.description).toBe('UNAVAILABLE, NOT_LEADER, OUTCOME_UNKNOWN');
  });
});

describe('the page of the document', () => {
  it('is served with everything it needs', async () => {
    const page = await api.app.fastify.inject({ url: '/docs/' });
    expect(page.statusCode).toBe(200);
    const references = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, reference]) => reference!);
    expect(references.length).toBeGreaterThan(3);
    for (const reference of references) {
      expect(reference).toMatch(/^\.?\//);
      const { pathname } = new URL(reference, 'http://member/docs/');
      expect([pathname, (await api.app.fastify.inject({ url: pathname })).statusCode]).toEqual([
        pathname,
        200,
      ]);
    }
    expect((await api.app.fastify.inject({ url: '/docs/json' })).json()).toEqual(document);
  });
});
