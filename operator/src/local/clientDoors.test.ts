import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClientDoors } from './clientDoors.ts';
import { KindRegistry, PODS, SERVICES } from './kinds.ts';
import { ObjectStore } from './objectStore.ts';

const logger = { debug() {}, info() {}, warn() {}, error() {} };
let dir: string;
let store: ObjectStore;
let servers: Server[];
let doors: ClientDoors[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-doors-'));
  store = new ObjectStore({
    directory: join(dir, 'objects'),
    kinds: new KindRegistry([]),
    onDamaged: () => undefined,
  });
  servers = [];
  doors = [];
});
afterEach(() => {
  for (const one of doors) one.stop();
  for (const server of servers) server.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Answers its name to whoever has said all; the port is answered. */
async function serve(name: string): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let heard = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk.toString();
    });
    socket.on('end', () => socket.end(`${name} heard ${heard}`));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
function putPod(name: string, port: number, ready = true): void {
  const container = {
    name: 'member',
    image: 'x',
    ports: [
      { name: 'client', containerPort: port },
      { name: 'http', containerPort: port },
    ],
  };
  const pod = store.create(
    PODS,
    { metadata: { name, namespace: 'ns', labels: { app: 'db' } }, spec: { containers: [container] } },
    'test',
  );
  const status = {
    phase: 'Running',
    podIP: '127.0.0.1',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  };
  store.updateStatus(PODS, { ...pod, status }, 'test');
}
function putService(name: string, client: number, http: number, app = 'db'): void {
  const ports = [
    { name: 'client', port: client, targetPort: 'client' },
    { name: 'http', port: http, targetPort: 'http' },
  ];
  store.create(SERVICES, { metadata: { name, namespace: 'ns' }, spec: { selector: { app }, ports } }, 'test');
}
function open(): ClientDoors {
  const one = new ClientDoors(store, dir, logger);
  doors.push(one);
  return one;
}
/** What came back until the other side closed; an error counts as nothing. */
function ask(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => socket.end(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

describe('the door of a client Service', () => {
  it('leads to ready pods only, whichever they are now', async () => {
    const [client, http] = [await freePort(), await freePort()];
    putPod('db-0', await serve('db-0'));
    putPod('db-1', await serve('db-1'), false);
    putService('db', client, http);
    const ports = await open().portsOf('ns', 'db');
    expect(ports).toEqual({ client, http });
    for (let n = 0; n < 5; n += 1) expect(await ask(client, 'hello')).toBe('db-0 heard hello');
    store.delete(PODS, { namespace: 'ns', name: 'db-0' });
    putPod('db-2', await serve('db-2'));
    expect(await ask(http, 'again')).toBe('db-2 heard again');
  });

  it('carries all that both sides say, though each falls silent at the end', async () => {
    const [client, http] = [await freePort(), await freePort()];
    putPod('db-0', await serve('db-0'));
    putService('db', client, http);
    await open().portsOf('ns', 'db');
    const long = 'long '.repeat(1_000_000);
    for (const answer of await Promise.all([ask(client, long), ask(client, long)]))
      expect(answer === `db-0 heard ${long}`).toBe(true);
  });

  it('tries another pod when one refuses, and closes when there is none', async () => {
    const [client, http] = [await freePort(), await freePort()];
    putPod('db-0', await freePort());
    putService('db', client, http);
    await open().portsOf('ns', 'db');
    expect(await ask(client, 'x')).toBe('');
    putPod('db-1', await serve('db-1'));
    for (let n = 0; n < 5; n += 1) expect(await ask(client, 'x')).toBe('db-1 heard x');
  });

  it('has the next ports when they are taken, others for each Service, and the same ones at the next start', async () => {
    const taken = await serve('somebody else');
    const http = await freePort();
    putService('a', taken, http);
    const one = open();
    putService('b', taken, http);
    const [a, b] = [await one.portsOf('ns', 'a'), await one.portsOf('ns', 'b')];
    expect(a?.client).toBeGreaterThan(taken);
    expect(b?.client).toBeGreaterThan(taken);
    expect(new Set([a?.client, b?.client, a?.http, b?.http]).size).toBe(4);
    one.stop();
    store.delete(SERVICES, { namespace: 'ns', name: 'a' });
    expect(await open().portsOf('ns', 'b')).toEqual(b);
  });

  it('is shut when the Service goes, and there is none for Services without a client port', async () => {
    const [client, http] = [await freePort(), await freePort()];
    putPod('db-0', await serve('db-0'));
    putService('db', client, http);
    store.create(
      SERVICES,
      {
        metadata: { name: 'peers', namespace: 'ns' },
        spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ name: 'client', port: client }] },
      },
      'test',
    );
    const one = open();
    expect(await one.portsOf('ns', 'peers')).toBeNull();
    expect(await ask(client, 'x')).toBe('db-0 heard x');
    store.delete(SERVICES, { namespace: 'ns', name: 'db' });
    expect(await one.portsOf('ns', 'db')).toBeNull();
    await expect.poll(() => ask(client, 'x')).toBe('');
  });
});
