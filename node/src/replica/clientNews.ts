import {
  type GroupId,
  type HelloReply,
  LIMITS,
  type MemberId,
  PROTOCOL_VERSION,
  type Reply,
  ReplyKind,
} from '@synccluster/client/protocol';
import type { CoordinationMachine } from '../machines/index.ts';
import { type Connection, replyError } from './connection.ts';
import type { Group } from './group.ts';
import type { PeerBook } from './peerBook.ts';

export interface ClientNewsContext {
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly book: PeerBook;
  readonly self: MemberId;
  clusterId(): string | null;
  coordination(): CoordinationMachine | null;
  groupCount(): number;
}

/** What clients need to find their way: told in the hello, and again when leaders or addresses change. */
export class ClientNews {
  readonly #context: ClientNewsContext;
  readonly #clients = new Set<Connection>();
  #told = '';

  constructor(context: ClientNewsContext) {
    this.#context = context;
  }

  hello(connection: Connection): void {
    const { book, self } = this.#context;
    const clusterId = this.#context.clusterId();
    const machine = this.#context.coordination();
    if (clusterId === null || machine === null) {
      replyError(connection, 0, 'UNAVAILABLE', 'this member does not belong to a cluster yet');
      return;
    }
    const hello: HelloReply = [
      ReplyKind.Hello,
      PROTOCOL_VERSION,
      clusterId,
      self,
      book.addresses(),
      machine.slotEpoch(),
      machine.slotTable(),
      this.#leaders(),
      { frameBytes: LIMITS.frameBytes },
    ];
    connection.reply(hello);
    if (!connection.forwarded) this.#clients.add(connection);
  }

  closed(connection: Connection): void {
    this.#clients.delete(connection);
  }

  /** True when something changed since the last call, and the clients were told. */
  tell(): boolean {
    const leaders = this.#leaders();
    const members = this.#context.book.addresses();
    const state = JSON.stringify([leaders, members]);
    if (state === this.#told) return false;
    this.#told = state;
    const news: Reply = [ReplyKind.Leaders, members, leaders];
    for (const connection of this.#clients) connection.reply(news);
    return true;
  }

  #leaders(): MemberId[] {
    const { groups } = this.#context;
    const count = Math.max(this.#context.groupCount(), groups.size);
    return Array.from({ length: count }, (_, id) => (groups.get(id as GroupId)?.leader ?? 0) as MemberId);
  }
}
