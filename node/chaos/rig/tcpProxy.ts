import { connect, createServer, type Server, type Socket } from 'node:net';
import { OneWay } from './oneWay.ts';

/** What a proxy does to the bytes that pass it. `forth`: from who dialled to who listens; `back`: the other way. */
export type Traffic =
  | { readonly kind: 'pass' }
  /** A black hole: connections stay, nothing arrives, not even the end of one. What was held arrives late. */
  | { readonly kind: 'stall'; readonly forth: boolean; readonly back: boolean }
  /** Connections are reset, new ones too. */
  | { readonly kind: 'cut' }
  /** Each chunk arrives later, in order; by `delayMs` and up to `jitterMs` more. */
  | { readonly kind: 'delay'; readonly delayMs: number; readonly jitterMs: number };

export const PASS: Traffic = { kind: 'pass' };
export const CUT: Traffic = { kind: 'cut' };
export const STALL: Traffic = { kind: 'stall', forth: true, back: true };

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

interface Connection {
  readonly client: Socket;
  readonly forth: OneWay;
  readonly back: OneWay;
  /** Null: not dialled, as the first packet has not got through either. */
  upstream: Socket | null;
}

/** One TCP link under the nemesis' control: listens in front of `target` and hands the bytes on, or does not. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: Endpoint;
  readonly #chance: () => number;
  readonly #connections = new Set<Connection>();
  #traffic: Traffic = PASS;
  #passedBytes = 0;
  #resets = 0;
  #disturbances = 0;

  private constructor(server: Server, target: Endpoint, chance: () => number) {
    this.#server = server;
    this.#target = target;
    this.#chance = chance;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Listens at once; whoever listens at `target` is dialled per connection. `chance` gives 0 ≤ x < 1. */
  static async listen(at: Endpoint, target: Endpoint, chance: () => number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const proxy = new TcpProxy(server, target, chance);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at.port, at.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return proxy;
  }

  get traffic(): Traffic {
    return this.#traffic;
  }
  /** Bytes that were handed on, both ways. */
  get passedBytes(): number {
    return this.#passedBytes;
  }
  /** Connections that were reset because the link was cut. */
  get resets(): number {
    return this.#resets;
  }
  /** How often something that was on its way was reset, held back or delayed. */
  get disturbances(): number {
    return this.#disturbances + this.#resets;
  }
  get endpoint(): Endpoint {
    const bound = this.#server.address();
    if (bound === null || typeof bound === 'string') throw new Error('the proxy does not listen');
    return { host: bound.address, port: bound.port };
  }

  set(traffic: Traffic): void {
    this.#traffic = traffic;
    for (const connection of [...this.#connections]) {
      if (traffic.kind === 'cut') this.#reset(connection);
      else this.#rule(connection);
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of [...this.#connections]) this.#drop(connection);
    await closed;
  }

  #accept(client: Socket): void {
    if (this.#traffic.kind === 'cut') {
      this.#resets += 1;
      client.on('error', () => {});
      client.resetAndDestroy();
      return;
    }
    const counted = (bytes: number): void => {
      this.#passedBytes += bytes;
    };
    const disturbed = (): void => {
      this.#disturbances += 1;
    };
    const connection: Connection = {
      client,
      forth: new OneWay(client, this.#chance, counted, () => this.#drop(connection), disturbed),
      back: new OneWay(null, this.#chance, counted, () => this.#drop(connection), disturbed),
      upstream: null,
    };
    connection.back.into(client);
    this.#connections.add(connection);
    client.on('close', () => this.#ended(connection));
    this.#rule(connection);
  }

  #rule(connection: Connection): void {
    const { kind } = this.#traffic;
    const stalls = this.#traffic.kind === 'stall' ? this.#traffic : { forth: false, back: false };
    const delay = this.#traffic.kind === 'delay' ? this.#traffic : { delayMs: 0, jitterMs: 0 };
    if (kind === 'cut') throw new Error('a cut link has no connections');
    if (!stalls.forth && connection.upstream === null) this.#dial(connection);
    connection.forth.rule(stalls.forth, delay);
    connection.back.rule(stalls.back, delay);
  }

  #dial(connection: Connection): void {
    const upstream = connect({ ...this.#target, noDelay: true, allowHalfOpen: true });
    connection.upstream = upstream;
    connection.forth.into(upstream);
    connection.back.from(upstream);
    upstream.on('close', () => this.#ended(connection));
  }

  /** Both sides said goodbye in order. */
  #ended(connection: Connection): void {
    if (connection.client.closed && connection.upstream?.closed === true)
      this.#connections.delete(connection);
  }

  #reset(connection: Connection): void {
    this.#resets += 1;
    this.#drop(connection);
  }

  #drop(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    connection.forth.stop();
    connection.back.stop();
    for (const socket of [connection.client, connection.upstream]) {
      // What comes of a socket that is torn down interests nobody.
      socket?.on('error', () => {});
      if (socket?.destroyed === false) socket.resetAndDestroy();
    }
  }
}
