import { groupOfSlot, LIMITS, Op, QueryOp, slotOf, type Token } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import { flag, integer, object, type Schema, text, withDefault } from '../schema.ts';
import type { App } from './listener.ts';
import type { MemberPort } from './memberPort.ts';
import { BASE64_LENGTH, base64Of, bytesOf, textOf } from './payload.ts';
import { slotTableOf } from './queueDirectory.ts';
import { Access, addRoute, readLevel } from './route.ts';
import { header } from './sessions.ts';

const keyParams = object('Which entry', { key: text('Key of the entry, percent-encoded', LIMITS.keyBytes) });
const version = integer('Version: rises with every change', 1, Number.MAX_SAFE_INTEGER) as Schema<Token>;
const value = text('The value as text', LIMITS.valueBytes, { emptyAllowed: true });
const valueBase64 = text('The value as base64, for any bytes', BASE64_LENGTH, { emptyAllowed: true });

export function addCacheRoutes(app: App, member: MemberPort): void {
  const groupOf = (key: string) => groupOfSlot(slotTableOf(member), slotOf(key));

  addRoute(
    app,
    {
      method: 'PUT',
      url: '/v1/cache/:key',
      tag: 'cache',
      summary: 'Put an entry',
      params: keyParams,
      body: object(
        'The value, in one of two forms',
        {
          ttlMs: withDefault(
            integer('Life of the entry in ms; 0: it does not expire', 0, LIMITS.durationMaxMs),
            0,
          ),
        },
        { value, valueBase64 },
      ),
      reply: object('The entry is stored', { version }),
      refusals: ['MOVED', 'DISK_FULL'],
    },
    async ({ params, body, request, reply }) => {
      const bytes = bytesOf(body.value, body.valueBase64, 'value');
      const access = new Access(member, app, request, reply);
      const [stored] = await access.write(groupOf(params.key), [
        ...header(Op.CachePut),
        params.key,
        bytes,
        body.ttlMs,
      ]);
      reply.header('etag', `"${stored}"`);
      return { version: stored };
    },
  );

  addRoute(
    app,
    {
      method: 'GET',
      url: '/v1/cache/:key',
      tag: 'cache',
      summary: 'Get an entry',
      description: 'A value that is UTF-8 comes back as value, any other as valueBase64.',
      params: keyParams,
      query: object('How to read', { level: withDefault(readLevel, 'session') }),
      reply: object(
        'The entry',
        { version },
        {
          value,
          valueBase64,
          expiresAtMs: integer(
            'Cluster time in ms at which it expires; missing: never',
            1,
            Number.MAX_SAFE_INTEGER,
          ),
        },
      ),
      refusals: ['NOT_FOUND', 'MOVED'],
    },
    async ({ params, query, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const [current, bytes, expiresStampMs] = await access.read(
        groupOf(params.key),
        [QueryOp.CacheGet, params.key],
        query.level,
      );
      if (bytes === null) throw new MemberError('NOT_FOUND', 'There is no entry under this key.');
      reply.header('etag', `"${current}"`);
      const shown = textOf(bytes);
      return {
        ...(shown === null ? { valueBase64: base64Of(bytes) } : { value: shown }),
        version: current,
        ...(Number.isSafeInteger(expiresStampMs) && expiresStampMs > 0
          ? { expiresAtMs: expiresStampMs }
          : {}),
      };
    },
  );

  addRoute(
    app,
    {
      method: 'DELETE',
      url: '/v1/cache/:key',
      tag: 'cache',
      summary: 'Delete an entry',
      params: keyParams,
      reply: object('The entry is not there any more', { existed: flag('Whether there was one') }),
      refusals: ['MOVED'],
    },
    async ({ params, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const [existed] = await access.write(groupOf(params.key), [...header(Op.CacheDelete), params.key]);
      return { existed };
    },
  );
}
