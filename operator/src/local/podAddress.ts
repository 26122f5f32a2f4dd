import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Where a pod's process listens. */
export interface PodAddress {
  readonly host: string;
  /** Named ports that differ from the pod's own, on systems with a single loopback address; else empty. */
  readonly ports: Readonly<Record<string, number>>;
}

/** Gives out addresses that were not used lately: what resolves a stale name reaches nobody. */
export class PodAddresses {
  readonly #used = new Set<string>();
  readonly #many: boolean;

  private constructor(many: boolean) {
    this.#many = many;
  }

  static async detect(): Promise<PodAddresses> {
    return new PodAddresses(await canListen('127.83.67.1'));
  }
  /** As on a system where 127.0.0.1 is the only loopback address. */
  static single(): PodAddresses {
    return new PodAddresses(false);
  }

  async take(portNames: readonly string[]): Promise<PodAddress> {
    if (!this.#many) {
      const ports: Record<string, number> = {};
      for (const name of portNames) ports[name] = await freePort();
      return { host: '127.0.0.1', ports };
    }
    for (;;) {
      // Random over 24 bits, so that two runtimes on one machine do not meet either.
      const host = `127.${randomInt(16, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
      if (this.#used.has(host)) continue;
      this.#used.add(host);
      return { host, ports: {} };
    }
  }

  keep(address: PodAddress): void {
    this.#used.add(address.host);
  }
}

function canListen(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, host, () => server.close(() => resolve(true)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
