import { LIMITS, Op } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';
import { integer, list, object, type Schema, text, withDefault } from '../schema.ts';
import type { App } from './listener.ts';
import type { MemberPort } from './memberPort.ts';
import { BASE64_LENGTH, base64Of, bytesOf, textOf } from './payload.ts';
import { addCatalogueRoutes, queueParams, visibilityMs } from './queueCatalogue.ts';
import type { QueueDirectory } from './queueDirectory.ts';
import { QueueMessages } from './queueMessages.ts';
import { Access, addRoute } from './route.ts';
import { header } from './sessions.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const delayMs = withDefault(integer('Hidden until this has passed, in ms', 0, LIMITS.durationMaxMs), 0);
const body = text('The message as text', LIMITS.valueBytes, { emptyAllowed: true });
const bodyBase64 = text('The message as base64, for any bytes', BASE64_LENGTH, { emptyAllowed: true });
const key = text('Messages of one key keep their order', LIMITS.keyBytes);
const receipt = text('Names one delivery of one message; opaque', 64, { examples: ['2-17-1'] });
const receipts = list('Receipts as a dequeue gave them', receipt, 1, LIMITS.batchMessages);
const settled = object('What became of the receipts', {
  done: integer('How many were good', 0, LIMITS.batchMessages),
  stale: list('Those whose message was delivered again, acknowledged or is gone', receipt),
});

export function addQueueRoutes(app: App, member: MemberPort, directory: QueueDirectory): void {
  const messages = new QueueMessages(directory);
  addCatalogueRoutes(app, member, directory);
  addEnqueueRoute(app, member, messages);
  addDequeueRoute(app, member, messages);
  addSettleRoutes(app, member, messages);
}

function addEnqueueRoute(app: App, member: MemberPort, messages: QueueMessages): void {
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/queues/:name/messages',
      tag: 'queues',
      summary: 'Enqueue messages',
      description:
        'Either one message in the fields body, bodyBase64, key and delayMs, or several in messages. Answers when they are stored on a quorum.',
      params: queueParams,
      body: object(
        'One message or several',
        { delayMs },
        {
          body,
          bodyBase64,
          key,
          messages: list(
            'Several messages, enqueued in this order',
            object('A message', { delayMs }, { body, bodyBase64, key }),
            1,
            LIMITS.batchMessages,
          ),
        },
      ),
      reply: object('The messages are stored', {
        ids: list('Their ids, in the order of the messages', text('Id of a message', 64)),
      }),
      refusals: ['NOT_FOUND', 'MOVED', 'DISK_FULL'],
    },
    async ({ params, body: given, request, reply }) => {
      const single = given.body !== undefined || given.bodyBase64 !== undefined || given.key !== undefined;
      if (given.messages !== undefined && (single || given.delayMs !== 0)) {
        throw new MemberError(
          'INVALID_ARGUMENT',
          'messages must stand alone: body, bodyBase64, key and delayMs belong inside it',
        );
      }
      const outgoing =
        given.messages === undefined
          ? [{ bytes: bytesOf(given.body, given.bodyBase64, 'body'), key: given.key, delayMs: given.delayMs }]
          : given.messages.map((message, i) => ({
              bytes: bytesOf(message.body, message.bodyBase64, `messages[${i}].body`),
              key: message.key,
              delayMs: message.delayMs,
            }));
      const access = new Access(member, app, request, reply);
      return { ids: await messages.enqueue(access, params.name, outgoing) };
    },
  );
}

function addDequeueRoute(app: App, member: MemberPort, messages: QueueMessages): void {
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/queues/:name/dequeue',
      tag: 'queues',
      summary: 'Take messages',
      description:
        'Waits up to waitMs for the first one. What is not acknowledged within its visibility timeout is delivered again.',
      params: queueParams,
      body: object(
        'How many, and how long to wait',
        {
          max: withDefault(integer('At most this many messages', 1, LIMITS.batchMessages), 1),
          waitMs: withDefault(
            integer('How long to wait for the first message, in ms', 0, LIMITS.longPollMaxMs),
            0,
          ),
        },
        {
          visibilityMs: {
            ...visibilityMs,
            description: `${visibilityMs.description}; default: the queue's`,
          } as Schema<number>,
        },
      ),
      reply: object('The messages; none when nothing was ready in time', {
        messages: list(
          'Messages to process and acknowledge',
          object(
            'A message; a body that is UTF-8 comes as body, any other as bodyBase64',
            {
              receipt,
              deliveries: integer('How often it was delivered, this time included', 1, MAX),
              enqueuedAtMs: integer('Cluster time in ms at which it was enqueued', 0, MAX),
            },
            { body, bodyBase64 },
          ),
        ),
      }),
      refusals: ['NOT_FOUND', 'MOVED', 'CANCELLED'],
    },
    async ({ params, body: given, request, reply }) => {
      const access = new Access(member, app, request, reply);
      const taken = await messages.dequeue(
        access,
        params.name,
        given.max,
        given.waitMs,
        given.visibilityMs ?? 0,
      );
      return {
        messages: taken.map(({ bytes, ...rest }) => {
          const shown = textOf(bytes);
          return { ...rest, ...(shown === null ? { bodyBase64: base64Of(bytes) } : { body: shown }) };
        }),
      };
    },
  );
}

function addSettleRoutes(app: App, member: MemberPort, messages: QueueMessages): void {
  const refusals = ['NOT_FOUND', 'MOVED'] as const;
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/queues/:name/ack',
      tag: 'queues',
      summary: 'Acknowledge messages: they are processed and go',
      params: queueParams,
      body: object('Which messages', { receipts }),
      reply: settled,
      refusals,
    },
    async ({ params: { name }, body: given, request, reply }) =>
      messages.settle(new Access(member, app, request, reply), name, given.receipts, (mine) => [
        ...header(Op.QueueAck),
        name,
        mine,
      ]),
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/queues/:name/nack',
      tag: 'queues',
      summary: 'Give messages back: they are delivered again',
      params: queueParams,
      body: object('Which messages, and when they are ready again', { receipts, delayMs }),
      reply: settled,
      refusals,
    },
    async ({ params: { name }, body: given, request, reply }) =>
      messages.settle(new Access(member, app, request, reply), name, given.receipts, (mine) => [
        ...header(Op.QueueNack),
        name,
        mine,
        given.delayMs,
      ]),
  );
  addRoute(
    app,
    {
      method: 'POST',
      url: '/v1/queues/:name/extend',
      tag: 'queues',
      summary: 'Keep messages hidden for longer',
      params: queueParams,
      body: object('Which messages, and for how long from now', { receipts, visibilityMs }),
      reply: settled,
      refusals,
    },
    async ({ params: { name }, body: given, request, reply }) =>
      messages.settle(new Access(member, app, request, reply), name, given.receipts, (mine) => [
        ...header(Op.QueueExtend),
        name,
        mine,
        given.visibilityMs,
      ]),
  );
}
