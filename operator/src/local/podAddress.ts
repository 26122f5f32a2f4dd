import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { writeFileAtomically } from './objectFiles.ts';

/** Where a pod's process listens. */
export interface PodAddress {
  readonly host: string;
  /** Port → port of 127.0.0.1, where the host exists in name only; else empty. */
  readonly realPorts: Readonly<Record<string, number>>;
}

/** Gives out addresses that were not used lately: what resolves a stale name reaches nobody. */
export class PodAddresses {
  readonly #used = new Set<string>();
  /** Where real ports are told, on systems with a single loopback address; null where every address is real. */
  readonly portsFile: string | null;
  readonly #lines = new Map<string, string>();

  private constructor(portsFile: string | null) {
    this.portsFile = portsFile;
  }

  static async detect(portsFile: string): Promise<PodAddresses> {
    return new PodAddresses((await canListen('127.83.67.1')) ? null : portsFile);
  }
  /** As on a system where 127.0.0.1 is the only loopback address. */
  static single(portsFile: string): PodAddresses {
    return new PodAddresses(portsFile);
  }

  async take(ports: readonly number[]): Promise<PodAddress> {
    let host: string;
    do {
      // Random over 24 bits, so that two runtimes on one machine do not meet either.
      host = `127.${randomInt(16, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
    } while (this.#used.has(host));
    const realPorts: Record<string, number> = {};
    if (this.portsFile !== null) for (const port of ports) realPorts[port] = await freePort();
    const address = { host, realPorts };
    this.keep(address);
    return address;
  }

  /** It is in use, by a pod that an earlier runtime started. */
  keep(address: PodAddress): void {
    this.#used.add(address.host);
    const lines = Object.entries(address.realPorts).map(
      ([port, real]) => `${address.host} ${port} ${real}\n`,
    );
    this.#lines.set(address.host, lines.join(''));
    this.#write();
  }

  free(address: PodAddress): void {
    this.#lines.delete(address.host);
    this.#write();
  }

  #write(): void {
    if (this.portsFile !== null) writeFileAtomically(this.portsFile, [...this.#lines.values()].join(''));
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
