import { connect } from 'node:net';
import { asSyncError, SyncError } from './errors.ts';
import type { Link, LinkHandlers, Transport } from './transport.ts';

/** After this long without traffic the kernel probes the peer, so that a vanished host is noticed. */
const PROBE_AFTER_MS = 15_000;

/** Splits `host:port`; an IPv6 host stands in brackets. */
export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new SyncError('INVALID_ARGUMENT', `endpoint "${address}" must be host:port`);
  }
  return { host, port };
}

/** Plain TCP. */
export const tcpTransport: Transport = {
  dial(address: string, handlers: LinkHandlers): Link {
    const socket = connect({ ...parseAddress(address), noDelay: true, keepAlive: true });
    socket.setKeepAlive(true, PROBE_AFTER_MS);
    let failure: Error | null = null;
    let dropped = false;
    socket.on('connect', () => {
      if (!dropped) handlers.opened();
    });
    socket.on('data', (chunk: Buffer) => {
      if (!dropped) handlers.data(chunk);
    });
    socket.on('error', (error) => {
      failure = asSyncError(error, 'UNAVAILABLE');
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
  },
};
