/**
 * Preloaded into each pod's program; gives it what a cluster gives its pods. Imports next to nothing: it must not slow
 * the program's start.
 */
import dns, { type LookupAddress, type LookupOptions } from 'node:dns';
import { readFile, writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { leadToSingleLoopback } from './singleLoopback.ts';

recordExit();
resolveServiceNames();
const { SYNCCLUSTER_PORTS_FILE: portsFile, SYNCCLUSTER_HOSTS_FILE: hostsFile } = process.env;
if (portsFile !== undefined && hostsFile !== undefined) leadToSingleLoopback(portsFile, hostsFile);

/**
 * Writes the exit code to a file: a runtime that did not start the process (its starter was killed) cannot learn it
 * otherwise. No file afterwards means that a signal ended it.
 */
function recordExit(): void {
  const file = process.env['SYNCCLUSTER_EXIT_FILE'];
  // Workers and children inherit the preload or the environment: only the pod's main thread counts.
  if (file === undefined || !isMainThread) return;
  delete process.env['SYNCCLUSTER_EXIT_FILE'];
  process.on('exit', (code) => {
    try {
      writeFileSync(file, String(code));
    } catch {
      // The folder is gone: nobody wants to know any more.
    }
  });
}

/** Names of Services resolve without the program's doing, as through a cluster's DNS: from the runtime's hosts file. */
function resolveServiceNames(): void {
  const file = process.env['SYNCCLUSTER_HOSTS_FILE'];
  if (file === undefined) return;
  type Callback = (
    error: NodeJS.ErrnoException | null,
    address: string | LookupAddress[],
    family?: number,
  ) => void;
  const before = dns.lookup as (hostname: string, options: LookupOptions, callback: Callback) => void;
  const lookup = (hostname: string, given: LookupOptions | number | Callback, last?: Callback): void => {
    const callback = typeof given === 'function' ? given : last;
    const options = typeof given === 'object' ? given : typeof given === 'number' ? { family: given } : {};
    if (callback === undefined || !/\.svc(\.cluster\.local)?\.?$/.test(hostname)) {
      before(hostname, options, callback ?? (() => undefined));
      return;
    }
    readFile(file, 'utf8', (_, content = '') => {
      const name = hostname.replace(/\.$/, '');
      const line = content.split('\n').find((candidate) => candidate.split(' ')[1] === name);
      const address = line?.split(' ')[0];
      if (address === undefined) {
        const error: NodeJS.ErrnoException = new Error(`getaddrinfo ENOTFOUND ${hostname}`);
        error.code = 'ENOTFOUND';
        error.syscall = 'getaddrinfo';
        callback(error, '');
      } else if (options.all === true) callback(null, [{ address, family: 4 }]);
      else callback(null, address, 4);
    });
  };
  // `node:net` looks it up on the module at each connect.
  dns.lookup = lookup as typeof dns.lookup;
}
