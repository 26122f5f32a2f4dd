import type { Link as ClientLink, LinkHandlers, Transport } from '@synccluster/client';
import type { Network, StreamSocket } from '../../src/transport/network.ts';
import { Link, type LinkPlan } from './link.ts';
import type { SimProcess } from './process.ts';
import type { Random } from './random.ts';
import { type Host, SimSocket } from './socket.ts';
import type { World } from './world.ts';

/** Until the system sends the first packet of a connection again; after the last it gives up. */
const DIAL_PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 16_000];

interface Connection {
  readonly ends: readonly [SimSocket, SimSocket];
  readonly hosts: ReadonlySet<string>;
}

interface Listening {
  readonly process: SimProcess;
  readonly accept: (socket: SimSocket) => void;
}

const CONNECTIONS_LOOKED_AT = 200;

/** Machines by name, and a link in each direction between any two. */
export class SimNetwork {
  readonly #world: World;
  readonly #random: Random;
  readonly #plan: LinkPlan;
  readonly #links = new Map<string, Link>();
  readonly #listening = new Map<string, Listening>();
  readonly #hosts = new Map<string, Host>();
  /** Connections that stood when they were last looked at. */
  #connections: Connection[] = [];

  constructor(world: World, random: Random, plan: LinkPlan) {
    this.#world = world;
    this.#random = random;
    this.#plan = plan;
  }

  link(from: string, to: string): Link {
    const key = `${from}>${to}`;
    let link = this.#links.get(key);
    if (link === undefined) {
      link = new Link(this.#world, this.#random.split(key), this.#plan);
      this.#links.set(key, link);
    }
    return link;
  }

  *links(): Generator<readonly [name: string, link: Link]> {
    yield* this.#links;
  }

  heal(): void {
    for (const [, link] of this.#links) link.heal();
  }

  /** Every connection between these two is reset, and what is under way on it is lost. Returns how many there were. */
  reset(one: string, other: string): number {
    this.#connections = this.#connections.filter(stands);
    const between = this.#connections.filter(({ hosts }) => hosts.has(one) && hosts.has(other));
    for (const { ends } of between) for (const end of ends) end.broken('ECONNRESET');
    return between.length;
  }

  #remember(connection: Connection): void {
    if (this.#connections.length >= CONNECTIONS_LOOKED_AT) {
      this.#connections = this.#connections.filter(stands);
    }
    this.#connections.push(connection);
  }

  host(name: string): Host {
    let host = this.#hosts.get(name);
    if (host === undefined) {
      host = { name, dark: false };
      this.#hosts.set(name, host);
    }
    return host;
  }

  /** The network as a process on this machine sees it. */
  of(host: string, process: SimProcess): Network {
    return {
      listen: async ({ port }, accept) => {
        const address = `${host}:${port}`;
        const entry: Listening = { process, accept };
        this.#listening.set(address, entry);
        const stop = (): void => {
          if (this.#listening.get(address) === entry) this.#listening.delete(address);
        };
        process.whenDead.add(stop);
        return { port, close: async () => stop() };
      },
      connect: (to, port) => this.#connect(host, process, to, port),
    };
  }

  /** The client library's streams, from this machine. */
  clientTransport(host: string, process: SimProcess): Transport {
    return {
      dial: (address, handlers) => {
        const [to, port] = address.split(':');
        return adapted(this.#connect(host, process, to!, Number(port)), handlers);
      },
    };
  }

  #connect(host: string, process: SimProcess, to: string, port: number): SimSocket {
    const there = this.link(host, to);
    const back = this.link(to, host);
    const socket = new SimSocket(process, this.host(host), there, `${to}:${port}`);
    let settled = false;
    const arrive = (): void => {
      if (settled || this.host(to).dark) return;
      settled = true;
      const listening = this.#listening.get(`${to}:${port}`);
      if (listening === undefined || !listening.process.alive) {
        back.carry(0, () => socket.broken('ECONNREFUSED'));
        return;
      }
      if (socket.destroyed) return;
      const accepted = new SimSocket(listening.process, this.host(to), back, host);
      accepted.join(socket);
      this.#remember({ ends: [socket, accepted], hosts: new Set([host, to]) });
      listening.process.deliver('io', () => listening.accept(accepted));
      back.carry(0, () => {
        socket.join(accepted);
        socket.connected();
      });
    };
    const dial = (attempt: number): void => {
      if (settled || socket.destroyed) return;
      const pauseMs = DIAL_PAUSES_MS[attempt];
      if (pauseMs === undefined) {
        settled = true;
        socket.broken('ETIMEDOUT');
        return;
      }
      // A packet that is lost on the way there or back is sent again later.
      this.#world.after(there.delayMs(), () => {
        if (!there.blocked && !back.blocked) arrive();
        if (!settled) this.#world.after(pauseMs, () => dial(attempt + 1));
      });
    };
    dial(0);
    return socket;
  }
}

function stands({ ends: [dialled, accepted] }: Connection): boolean {
  return !dialled.destroyed && !accepted.destroyed;
}

function adapted(socket: StreamSocket, handlers: LinkHandlers): ClientLink {
  let failure: Error | null = null;
  let dropped = false;
  socket.on('connect', () => {
    if (!dropped) handlers.opened();
  });
  socket.on('data', (chunk) => {
    if (!dropped) handlers.data(chunk);
  });
  socket.on('error', (error) => {
    failure = error;
  });
  socket.on('close', () => {
    if (!dropped) handlers.closed(failure);
  });
  return {
    write: (bytes) => {
      socket.write(bytes);
    },
    destroy: () => {
      dropped = true;
      socket.destroy();
    },
  };
}
