import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';

/** Turns a host name into an address at each connect: a pod that restarted has another one. */
export type Resolver = (host: string) => Promise<string>;

/** `hostsFile` (lines of `address name…`) is read anew each time and comes before DNS. */
export function makeResolver(hostsFile: string | null): Resolver {
  return async (host) => {
    if (isIP(host) !== 0) return host;
    if (hostsFile !== null) {
      const found = findInHosts(await readFile(hostsFile, 'utf8').catch(() => ''), host);
      if (found !== null) return found;
    }
    return (await lookup(host)).address;
  };
}

function findInHosts(text: string, host: string): string | null {
  for (const line of text.split('\n')) {
    const [address, ...names] = line.trim().split(/\s+/);
    if (address !== undefined && !address.startsWith('#') && names.includes(host)) return address;
  }
  return null;
}
