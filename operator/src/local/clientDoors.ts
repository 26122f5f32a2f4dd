import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { LocalLogger } from './controlLoop.ts';
import { isObject, type JsonObject, listAt, numberAt, stringAt } from './json.ts';
import { SERVICES } from './kinds.ts';
import { writeFileAtomically } from './objectFiles.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';
import { endpointsOf } from './serviceNames.ts';

/** Which ports of a Service get one: those of members' client Services. */
const NAMES = ['client', 'http'] as const;
/** The ports of a second cluster are so much above those of the first. */
const STRIDE = 10;
const TRIES = 200;

/** Ports of 127.0.0.1. */
export interface DoorPorts {
  readonly client: number;
  readonly http: number;
}
interface Doors {
  readonly servers: readonly Server[];
  readonly ports: DoorPorts;
}

/**
 * What a Service's address is in a cluster, for programs of this machine: ports of 127.0.0.1 that stay while pods
 * change theirs, and lead each connection to one of the ready pods. The ports a Service had are taken again at the
 * next start if they are free.
 */
export class ClientDoors {
  readonly #store: ObjectStore;
  readonly #logger: LocalLogger;
  readonly #file: string;
  readonly #kept: Record<string, DoorPorts>;
  readonly #doors = new Map<string, Promise<Doors | null>>();
  readonly #sockets = new Set<Socket>();
  readonly #unsubscribe: () => void;
  /** One after the other, so that both ports of a cluster lie side by side. */
  #opening: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(store: ObjectStore, directory: string, logger: LocalLogger) {
    this.#store = store;
    this.#logger = logger;
    this.#file = join(directory, 'client-doors.json');
    this.#kept = readKept(this.#file);
    this.#unsubscribe = store.onChange(({ kind, before, after }) => {
      if (kind !== SERVICES) return;
      if (after !== null) this.#open(after);
      else if (before !== null) this.#close(keyOf(before));
    });
    for (const service of store.list(SERVICES)) this.#open(service);
  }

  /** Null when the Service has none: it is not there, is no client Service, or no port was free. */
  async portsOf(namespace: string, service: string): Promise<DoorPorts | null> {
    return (await this.#doors.get(`${namespace}/${service}`))?.ports ?? null;
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    for (const key of [...this.#doors.keys()]) this.#close(key);
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(service: StoredObject): void {
    const key = keyOf(service);
    if (this.#doors.has(key) || portsWanted(service) === null) return;
    const opened = this.#opening.then(() => this.#listen(service));
    this.#opening = opened;
    this.#doors.set(key, opened);
  }

  #close(key: string): void {
    const doors = this.#doors.get(key);
    this.#doors.delete(key);
    void doors?.then((opened) => {
      for (const server of opened?.servers ?? []) server.close();
    });
  }

  async #listen(service: StoredObject): Promise<Doors | null> {
    const key = keyOf(service);
    const wanted = portsWanted(service);
    const kept = this.#kept[key];
    const others = new Set(
      Object.entries(this.#kept).flatMap(([other, ports]) =>
        other === key ? [] : [ports.client, ports.http],
      ),
    );
    for (let attempt = kept === undefined ? 0 : -1; wanted !== null && attempt < TRIES; attempt += 1) {
      if (this.#stopped) return null;
      const ports =
        attempt === -1 && kept !== undefined
          ? kept
          : { client: wanted.client + attempt * STRIDE, http: wanted.http + attempt * STRIDE };
      // Those of a cluster that is not yet there again are kept for it.
      if (attempt >= 0 && (others.has(ports.client) || others.has(ports.http))) continue;
      const servers = await this.#listenOn(service, ports);
      if (servers === null) continue;
      this.#kept[key] = ports;
      try {
        writeFileAtomically(this.#file, JSON.stringify(this.#kept));
      } catch (error) {
        this.#logger.warn({ err: error }, 'the ports of clients could not be written down');
      }
      return { servers, ports };
    }
    return null;
  }

  async #listenOn(service: StoredObject, ports: DoorPorts): Promise<Server[] | null> {
    const servers: Server[] = [];
    for (const name of NAMES) {
      // Half open, for one side may have said all and still listen.
      const server = createServer({ allowHalfOpen: true }, (socket) => this.#forward(service, name, socket));
      if (!(await listening(server, ports[name]))) {
        for (const open of servers) open.close();
        return null;
      }
      // Such as too many open files: that one connection is lost, and the next may do.
      server.on('error', (error) => this.#logger.warn({ err: error }, 'a client could not be let in'));
      servers.push(server);
    }
    return servers;
  }

  #forward(service: StoredObject, name: string, from: Socket): void {
    const key = { namespace: service.metadata.namespace, name: service.metadata.name };
    const live = this.#store.get(SERVICES, key);
    const ready = live === null ? [] : endpointsOf(this.#store, live, name);
    // Any of them, so that many connections spread.
    const first = Math.floor(Math.random() * ready.length);
    const order = [...ready.slice(first), ...ready.slice(0, first)];
    this.#track(from);
    from.on('error', () => from.destroy());
    const attempt = (): void => {
      const endpoint = order.shift();
      if (endpoint === undefined || from.destroyed) {
        from.destroy();
        return;
      }
      let connected = false;
      const to = connect({ host: endpoint.host, port: endpoint.port, allowHalfOpen: true });
      this.#track(to);
      to.setNoDelay(true);
      from.setNoDelay(true);
      to.on('connect', () => {
        connected = true;
        from.pipe(to);
        to.pipe(from);
      });
      to.on('error', () => to.destroy());
      to.on('close', (hadError) => {
        // Readiness lags behind: another one is tried while nothing was sent.
        if (!connected) attempt();
        // One that was ended has its last bytes still to give away.
        else if (hadError || !from.writableEnded) from.destroy();
      });
      from.once('close', (hadError) => {
        if (hadError || !to.writableEnded) to.destroy();
      });
    };
    attempt();
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function keyOf(service: StoredObject): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}

function portsWanted(service: StoredObject): DoorPorts | null {
  if (stringAt(service, 'spec', 'clusterIP') === 'None') return null;
  const ports = listAt(service, 'spec', 'ports').filter(isObject);
  const numbered = (name: string): number | undefined =>
    numberAt(
      ports.find((port) => port['name'] === name),
      'port',
    );
  const [client, http] = [numbered('client'), numbered('http')];
  return client === undefined || http === undefined ? null : { client, http };
}

function listening(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (port < 1 || port > 65_535) {
      resolve(false);
      return;
    }
    const failed = (): void => resolve(false);
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', failed);
      resolve(true);
    });
  });
}

function readKept(path: string): Record<string, DoorPorts> {
  const kept: Record<string, DoorPorts> = {};
  if (!existsSync(path)) return kept;
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as JsonObject;
    for (const key of Object.keys(value)) {
      const [client, http] = [numberAt(value, key, 'client'), numberAt(value, key, 'http')];
      if (client !== undefined && http !== undefined) kept[key] = { client, http };
    }
  } catch {
    // Damaged: others are taken.
  }
  return kept;
}
