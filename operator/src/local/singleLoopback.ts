import { readFileSync } from 'node:fs';
import net from 'node:net';

/** A connection to what is not there any more has to be refused: nobody listens on this port. */
const NOBODY = 1;

/**
 * For systems with 127.0.0.1 as their only loopback address: pods keep addresses of their own, which exist in name
 * only, and listening and connecting are led to a port of 127.0.0.1 that a file of `address port realPort` lines
 * tells. The file is read at each connect, like the hosts file (`address name` lines), for both change.
 * The answer undoes it.
 */
export function leadToSingleLoopback(portsFile: string, hostsFile: string): () => void {
  const listen = net.Server.prototype.listen as (...args: unknown[]) => net.Server;
  const connect = net.Socket.prototype.connect as (...args: unknown[]) => net.Socket;
  const find = (host: string, port: number): number | null =>
    Number(
      linesOf(portsFile).find(([address, from]) => address === host && Number(from) === port)?.[2] ?? 0,
    ) || null;
  const isPods = (host: unknown): host is string =>
    typeof host === 'string' && net.isIPv4(host) && host.startsWith('127.') && host !== '127.0.0.1';

  net.Server.prototype.listen = function (this: net.Server, ...args: unknown[]): net.Server {
    const [first, second, ...rest] = args;
    if (isEndpoint(first) && isPods(first.host)) {
      return listen.call(
        this,
        { ...first, host: '127.0.0.1', port: find(first.host, Number(first.port)) ?? 0 },
        second,
        ...rest,
      );
    }
    if (isPods(second)) return listen.call(this, find(second, Number(first)) ?? 0, '127.0.0.1', ...rest);
    return listen.apply(this, args);
  } as typeof net.Server.prototype.listen;

  net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]): net.Socket {
    // `net.connect` hands on a list that it has put in order already: options first.
    const ordered = Array.isArray(args[0]);
    const target: unknown = ordered ? (args[0] as unknown[])[0] : args[0];
    const options = isEndpoint(target) ? target : { port: Number(target), host: args[1] };
    const name = typeof options.host === 'string' ? options.host.replace(/\.$/, '') : '';
    const host = linesOf(hostsFile).find((line) => line[1] === name)?.[0] ?? name;
    if (!isPods(host)) return connect.apply(this, args);
    const led = { ...options, host: '127.0.0.1', port: find(host, Number(options.port)) ?? NOBODY };
    if (!ordered)
      return connect.call(this, led, ...args.slice(1).filter((argument) => typeof argument === 'function'));
    // Changed in place: the list carries a mark that tells it is in order.
    (args[0] as unknown[])[0] = led;
    return connect.apply(this, args);
  } as typeof net.Socket.prototype.connect;

  return () => {
    net.Server.prototype.listen = listen as typeof net.Server.prototype.listen;
    net.Socket.prototype.connect = connect as typeof net.Socket.prototype.connect;
  };
}

function isEndpoint(value: unknown): value is { host?: unknown; port?: unknown } {
  return typeof value === 'object' && value !== null && 'port' in value;
}

function linesOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(' '));
  } catch {
    return [];
  }
}
