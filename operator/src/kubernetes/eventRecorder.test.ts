import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventRecord, KubeObject } from '../runtime/kube.ts';
import { VirtualClock } from '../testing/virtualClock.ts';
import type { ApiClient } from './apiClient.ts';
import { EventRecorder } from './eventRecorder.ts';
import {
  type Answer,
  clientOf,
  sendJson,
  sendStatus,
  startTestServer,
  type TestServer,
} from './testServer.ts';

let server: TestServer;
let client: ApiClient;
let clock: VirtualClock;
let recorder: EventRecorder;
let warnings: string[];
let answer: Answer;

beforeEach(async () => {
  answer = (_, response) => sendJson(response, 201, {});
  server = await startTestServer((arrived, response) => answer(arrived, response));
  clock = new VirtualClock();
  client = clientOf(server, { clock });
  warnings = [];
  const logger = {
    info() {},
    warn: (_: object, text: string) => warnings.push(text),
    error() {},
    child: () => logger,
  };
  recorder = new EventRecorder({
    client,
    logger,
    instance: 'operator-0',
    now: () => new Date(Date.UTC(2025, 0, 1) + clock.now()),
  });
});
afterEach(async () => {
  await client.close();
  await server.close();
});

const regarding: KubeObject = {
  apiVersion: 'synccluster.io/v1alpha1',
  kind: 'SyncCluster',
  metadata: { namespace: 'ns', name: 'db', uid: 'u-1', resourceVersion: '7', labels: { a: 'b' } },
};
const record = (change: Partial<EventRecord> = {}): EventRecord => ({
  regarding,
  type: 'Normal',
  reason: 'Scaled',
  action: 'Scale',
  note: 'pods 1 → 3',
  ...change,
});
const sent = (count: number) => expect.poll(() => server.arrived.length, { timeout: 10_000 }).toBe(count);
interface Body {
  readonly metadata: { readonly name: string };
  readonly note: string;
  readonly reason: string;
  readonly action: string;
  readonly series?: { readonly count: number };
}
const bodyOf = (at: number): Body => {
  const arrived = server.arrived[at];
  if (arrived === undefined) throw new Error(`no request ${at} arrived`);
  return arrived.body as Body;
};
const seriesOf = (at: number) => bodyOf(at).series;

describe('EventRecorder', () => {
  it('tells an event as events.k8s.io wants it', async () => {
    recorder.record(record());
    await sent(1);
    const [arrived] = server.arrived;
    expect(`${arrived?.method} ${arrived?.path}`).toBe('POST /apis/events.k8s.io/v1/namespaces/ns/events');
    expect(arrived?.body).toEqual({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { namespace: 'ns', name: expect.stringMatching(/^db\.[0-9a-f]{16}$/) },
      eventTime: '2025-01-01T00:00:00.000000Z',
      type: 'Normal',
      reason: 'Scaled',
      action: 'Scale',
      note: 'pods 1 → 3',
      reportingController: 'synccluster.io/operator',
      reportingInstance: 'operator-0',
      regarding: {
        apiVersion: 'synccluster.io/v1alpha1',
        kind: 'SyncCluster',
        namespace: 'ns',
        name: 'db',
        uid: 'u-1',
        resourceVersion: '7',
      },
    });
  });

  it('counts equal events up, writing the count now and then', async () => {
    recorder.record(record());
    await sent(1);
    for (let i = 0; i < 5; i++)
      recorder.record(
        record({ regarding: { ...regarding, metadata: { ...regarding.metadata, resourceVersion: `${i}` } } }),
      );
    await clock.advance(9_999);
    expect(server.arrived).toHaveLength(1);
    await clock.advance(1);
    await sent(2);
    const { name } = bodyOf(0).metadata;
    const [, patch] = server.arrived;
    expect(`${patch?.method} ${patch?.path}`).toBe(
      `PATCH /apis/events.k8s.io/v1/namespaces/ns/events/${name}`,
    );
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json');
    expect(patch?.body).toEqual({ series: { count: 6, lastObservedTime: '2025-01-01T00:00:00.000000Z' } });
    recorder.record(record());
    await clock.advance(10_000);
    await sent(3);
    expect(seriesOf(2)?.count).toBe(7);
  });

  it('tells different ones apart, and begins anew after a window without', async () => {
    recorder.record(record());
    recorder.record(record({ note: 'pods 3 → 5' }));
    recorder.record(record({ type: 'Warning' }));
    recorder.record(record({ regarding: { ...regarding, metadata: { ...regarding.metadata, uid: 'u-2' } } }));
    await sent(4);
    await clock.advance(600_001);
    recorder.record(record());
    await sent(5);
    expect(server.arrived.map(({ method }) => method)).toEqual(Array(5).fill('POST'));
  });

  it('tells an event anew that expired on the server', async () => {
    recorder.record(record());
    await sent(1);
    answer = (arrived, response) =>
      arrived.method === 'PATCH'
        ? sendStatus(response, 404, 'NotFound', 'gone')
        : sendJson(response, 201, {});
    recorder.record(record());
    await clock.advance(10_000);
    await sent(3);
    expect(server.arrived[2]?.method).toBe('POST');
    expect(seriesOf(2)?.count).toBe(2);
  });

  it('cuts what a server would refuse, characters whole', async () => {
    recorder.record(record({ note: '🙂'.repeat(1000), reason: 'R'.repeat(500), action: '\uD83D' }));
    await sent(1);
    const { note, reason, action } = bodyOf(0);
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
    expect(note).toMatch(/^(🙂){255}…$/u);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(128);
    expect(action).toBe('\uFFFD');
  });

  it('never throws, and goes on after failures', async () => {
    let failing = true;
    answer = (arrived, response) => {
      if (!failing) sendJson(response, 201, {});
      else if (server.arrived.length % 2 === 0) arrived.request.socket.destroy();
      else sendStatus(response, 403, 'Forbidden', 'no rights');
    };
    for (let i = 0; i < 4; i++) recorder.record(record({ note: `${i}` }));
    recorder.record({
      ...record(),
      regarding: { ...regarding, metadata: { name: '../x', namespace: 'a/b' } },
    });
    recorder.record({} as EventRecord);
    await sent(4);
    await expect.poll(() => warnings.length).toBe(6);
    failing = false;
    recorder.record(record({ note: 'after' }));
    await sent(5);
  });

  it('forgets the newest when a server takes none, and keeps the queue bounded', async () => {
    answer = () => {};
    for (let i = 0; i < 5_000; i++) recorder.record(record({ note: `${i}` }));
    expect(recorder.dropped).toBe(5_000 - 512 - 1);
  });

  it('sends what waits when it is closed, and takes no more', async () => {
    recorder.record(record());
    recorder.record(record());
    recorder.record(record({ note: 'last' }));
    await recorder.close(1_000);
    expect(server.arrived.map(({ body }) => (body as { note?: string }).note)).toEqual([
      'pods 1 → 3',
      'last',
      undefined,
    ]);
    expect(seriesOf(2)?.count).toBe(2);
    recorder.record(record({ note: 'late' }));
    await recorder.close(1_000);
    expect(server.arrived).toHaveLength(3);
  });

  it('does not wait for long for a server that is away when it is closed', async () => {
    answer = () => {};
    recorder.record(record());
    const closed = recorder.close(1_000);
    await clock.advance(1_000);
    await closed;
  });
});
