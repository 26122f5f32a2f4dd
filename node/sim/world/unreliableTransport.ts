import type { MemberId } from '@synccluster/client/protocol';
import type { PeerMessage, Transport } from '../../src/transport/transport.ts';
import type { SimProcess } from './process.ts';

/** What happens to Raft's messages on top of what the streams below do: consensus must not count on any of them. */
export interface MessageFaults {
  loss: number;
  duplication: number;
  /** Sent later, behind others. */
  reordering: number;
  readonly reorderedByMs: number;
  /** How often each has happened. */
  readonly struck: { loss: number; duplication: number; reordering: number };
}

/** Requests passed on and snapshots keep the promise of the transport: in order, or lost with their link. */
export function unreliable(transport: Transport, process: SimProcess, faults: MessageFaults): Transport {
  const later = (to: MemberId, message: PeerMessage): void => {
    process.world.after(process.chance.between(0, faults.reorderedByMs), () =>
      process.deliver('io', () => {
        transport.send(to, message);
        transport.flush();
      }),
    );
  };
  return {
    setPeers: (peers) => transport.setPeers(peers),
    send(to, message) {
      if (message.kind !== 'raft' || !transport.isUp(to)) return transport.send(to, message);
      if (process.chance.chance(faults.loss)) {
        faults.struck.loss += 1;
        return true;
      }
      if (process.chance.chance(faults.duplication)) {
        faults.struck.duplication += 1;
        later(to, message);
      }
      if (process.chance.chance(faults.reordering)) {
        faults.struck.reordering += 1;
        later(to, message);
        return true;
      }
      return transport.send(to, message);
    },
    flush: () => transport.flush(),
    isUp: (peer) => transport.isUp(peer),
    close: () => transport.close(),
  };
}
