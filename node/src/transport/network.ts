import { createServer, connect as dial } from 'node:net';

/** A byte stream: what members use of Node's sockets, so that a simulated one can stand in its place. */
export interface StreamSocket {
  readonly remoteAddress?: string | undefined;
  /** Written, and not taken by the system yet. */
  readonly writableLength: number;
  readonly destroyed: boolean;
  on(event: 'data', listener: (chunk: Buffer) => void): unknown;
  on(event: 'connect' | 'drain' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(bytes: Uint8Array): unknown;
  /** The last bytes, then the end of this direction. */
  end(bytes: Uint8Array): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(error?: Error): unknown;
  /** Once all that was written is on its way. */
  destroySoon(): void;
}

interface StreamListener {
  readonly port: number;
  /** Takes no more streams; resolves when those it took are gone. */
  close(): Promise<void>;
}

interface ListenOptions {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  /** After this much silence the system asks whether the other end still exists; null: never. */
  readonly keepAliveMs: number | null;
}

/** Opens and accepts byte streams. */
export interface Network {
  listen(options: ListenOptions, accept: (socket: StreamSocket) => void): Promise<StreamListener>;
  connect(host: string, port: number): StreamSocket;
}

export const tcpNetwork: Network = {
  async listen({ host, port, keepAliveMs }, accept) {
    const keepAlive = keepAliveMs === null ? {} : { keepAlive: true, keepAliveInitialDelay: keepAliveMs };
    const server = createServer({ noDelay: true, ...keepAlive }, accept);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : port,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  },
  connect: (host, port) => dial({ host, port, noDelay: true }),
};
