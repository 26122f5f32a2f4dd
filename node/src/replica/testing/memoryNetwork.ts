import type { MemberId } from '@synccluster/client/protocol';
import { pack, unpack } from '@synccluster/client/wire';
import { decodePeerFrame, encodePeerMessage, encodeVitals } from '../../transport/peerCodec.ts';
import type { Peer, PeerMessage, Transport, TransportHandler } from '../../transport/transport.ts';

interface Node {
  readonly handler: TransportHandler;
  peers: readonly Peer[];
  /** Links it has to others: one object a link, so that what was under way on an older one is lost. */
  readonly links: Map<MemberId, { queue: Uint8Array[] }>;
  readonly calledBy: Set<MemberId>;
}

/** Members of one process, linked as over TCP: in order, lost with the link, each direction by itself. */
export class MemoryNetwork {
  readonly #nodes = new Map<MemberId, Node>();
  readonly #cut = new Set<string>();
  /** Every message that was delivered. */
  readonly delivered: { readonly from: MemberId; readonly to: MemberId; readonly message: PeerMessage }[] =
    [];

  join(handler: TransportHandler): Transport {
    const { id } = handler.identity();
    const node: Node = { handler, peers: [], links: new Map(), calledBy: new Set() };
    this.#nodes.set(id, node);
    for (const other of this.#nodes.keys()) void this.#dial(other, id);
    return {
      setPeers: (peers) => {
        node.peers = peers;
        for (const to of node.links.keys()) if (!peers.some((p) => p.id === to)) this.#drop(id, to);
        for (const { id: to } of peers) void this.#dial(id, to);
      },
      send: (to, message) => {
        const link = node.links.get(to);
        link?.queue.push(pack(encodePeerMessage(message)));
        return link !== undefined;
      },
      flush: () => {
        for (const [to, link] of node.links) this.#flush(id, to, link);
      },
      isUp: (peer) => node.links.has(peer) && node.calledBy.has(peer),
      close: async () => {
        this.#nodes.delete(id);
        for (const to of node.links.keys()) this.#drop(id, to, node);
        for (const other of this.#nodes.keys()) this.#drop(other, id);
      },
    };
  }

  /** One direction only; what is under way is lost. */
  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(`${from}>${to}`);
    this.#drop(from, to);
  }

  heal(): void {
    this.#cut.clear();
    for (const [id, node] of this.#nodes) for (const peer of node.peers) void this.#dial(id, peer.id);
  }

  async #dial(from: MemberId, to: MemberId): Promise<void> {
    const source = this.#nodes.get(from);
    const target = this.#nodes.get(to);
    if (source === undefined || target === undefined || from === to) return;
    const { clusterId } = source.handler.identity();
    if (clusterId === null || !source.peers.some((p) => p.id === to)) return;
    if (target.handler.identity().clusterId === null) await target.handler.admit(clusterId);
    if (target.handler.identity().clusterId !== clusterId) return;
    const gone = this.#nodes.get(from) !== source || this.#nodes.get(to) !== target;
    if (gone || source.links.has(to) || this.#cut.has(`${from}>${to}`)) return;
    source.links.set(to, { queue: [] });
    target.calledBy.add(from);
    const greet = (to: Node, { handler }: Node): void =>
      to.handler.onHello(handler.identity(), handler.listeners(), handler.level());
    greet(target, source);
    greet(source, target);
    source.handler.onLink(to, true);
  }

  #drop(from: MemberId, to: MemberId, source = this.#nodes.get(from)): void {
    if (source?.links.delete(to) !== true) return;
    source.handler.onLink(to, false);
    const target = this.#nodes.get(to);
    if (target?.calledBy.delete(from) === true) target.handler.onCallerLost(from);
  }

  #flush(from: MemberId, to: MemberId, link: { queue: Uint8Array[] }): void {
    if (link.queue.length === 0) return;
    const source = this.#nodes.get(from);
    const target = this.#nodes.get(to);
    if (source === undefined || target === undefined) return;
    const frames = [pack(encodeVitals(source.handler.vitals())), ...link.queue.splice(0)];
    setImmediate(() => {
      for (const frame of frames) {
        if (source.links.get(to) !== link || this.#nodes.get(to) !== target) return;
        const input = decodePeerFrame(unpack(frame));
        if (input.kind === 'vitals') target.handler.onVitals(from, input.vitals);
        if (input.kind !== 'message') continue;
        this.delivered.push({ from, to, message: input.message });
        target.handler.onMessage(from, input.message);
      }
    });
  }
}
