import type { Clock, Timer } from './clock.ts';
import { asSyncError, SyncError } from './errors.ts';
import type { Pending, Refused } from './pending.ts';
import type { Query, ReadLevelValue } from './protocol/commands.ts';
import {
  type HelloReply,
  type LeadersReply,
  PROTOCOL_MAGIC,
  PROTOCOL_VERSION,
  type PushReply,
  ReplyKind,
  RequestKind,
} from './protocol/frames.ts';
import type { GroupId, SessionId } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import { ReadOp } from './readOp.ts';
import { readReply } from './replies.ts';
import type { Link, Transport } from './transport.ts';
import type { Turn } from './turn.ts';
import { FrameDecoder, FrameWriter } from './wire/index.ts';

/** From dialling to the member's hello. */
const HELLO_TIMEOUT_MS = 3_000;
/** Requests on one connection at a time; the low bits of a request id are its slot. */
const SLOTS = 65_536;
/** Kept for what keeps sessions alive, however much else is in flight. */
const RESERVED_SLOTS = 256;

export interface ConnectionOwner {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly label: string;
  hello(connection: Connection, hello: HelloReply): void;
  leaders(connection: Connection, leaders: LeadersReply): void;
  pushed(push: PushReply): void;
  /** `index` is the new mark of `group`. */
  saw(group: number, index: number): void;
  closed(connection: Connection, error: SyncError): void;
}

/** One link to one member: hello, request table, frames in and out. */
export class Connection {
  readonly address: string;
  /** Member on the other side; 0 until its hello. */
  member = 0;
  /** The hello is through and the link stands. */
  ready = false;
  /** Monotonic time of the last bytes. */
  lastReceivedMs: number;

  readonly #owner: ConnectionOwner;
  readonly #link: Link;
  readonly #decoder = new FrameDecoder();
  readonly #writer = new FrameWriter(LIMITS.frameBytes);
  #helloTimer: Timer | null;
  #flushing = false;
  #closed = false;

  /** Parallel columns of the request table. A slot's id rises by `SLOTS` with each use, so no id comes twice. */
  /** Slot 0 is not used: request 0 in an error reply means the connection itself. */
  #pending: (Pending | null)[] = [null];
  #ids: number[] = [0];
  #tags: number[] = [0];
  #groups: number[] = [0];
  #free: number[] = [];

  constructor(owner: ConnectionOwner, transport: Transport, address: string) {
    this.#owner = owner;
    this.address = address;
    this.lastReceivedMs = owner.clock.monotonicMs();
    this.#helloTimer = owner.clock.after(HELLO_TIMEOUT_MS, () =>
      this.close(new SyncError('UNAVAILABLE', `${address} did not answer within ${HELLO_TIMEOUT_MS} ms`)),
    );
    this.#link = transport.dial(address, {
      opened: () => {
        this.#send([RequestKind.Hello, PROTOCOL_MAGIC, PROTOCOL_VERSION, owner.label]);
      },
      data: (chunk) => this.#received(chunk),
      closed: (error) =>
        this.close(
          error === null
            ? new SyncError('UNAVAILABLE', `${address} closed the connection`)
            : asSyncError(error, 'UNAVAILABLE'),
        ),
    });
  }

  /** Requests that wait for a reply. */
  get inFlight(): number {
    return Math.max(0, this.#pending.length - 1 - this.#free.length);
  }

  /** Throws OVERLOADED when too much is in flight. */
  write(group: GroupId, command: Uint8Array, pending: Pending, tag: number): number {
    this.#makeSure();
    return this.writeFirst(group, command, pending, tag);
  }

  /** For what opens and closes sessions: has room when ordinary writes have none. */
  writeFirst(group: GroupId, command: Uint8Array, pending: Pending, tag: number): number {
    const request = this.#enter(pending, group, tag);
    this.#send([RequestKind.Write, request, group, command]);
    return request;
  }

  read(
    group: GroupId,
    level: ReadLevelValue,
    mark: number,
    query: Query,
    pending: Pending,
    tag: number,
  ): number {
    this.#makeSure();
    const request = this.#enter(pending, group, tag);
    this.#send([RequestKind.Read, request, group, level, mark, query]);
    return request;
  }

  keepAlive(group: GroupId, sessions: readonly SessionId[], pending: Pending): number {
    const request = this.#enter(pending, group, 0);
    this.#send([RequestKind.KeepAlive, request, group, sessions]);
    return request;
  }

  /** Forgets a request and tells the member to end it. */
  cancel(request: number): void {
    if (this.forget(request)) this.#send([RequestKind.Cancel, request]);
  }

  /** Its reply will not be heard any more; false: there is no such request. */
  forget(request: number): boolean {
    const slot = request % SLOTS;
    if (this.#closed || this.#ids[slot] !== request || this.#pending[slot] === null) return false;
    this.#leave(slot);
    return true;
  }

  /** Gives up what is overdue; a member that went silent meanwhile is dropped. */
  sweep(nowMs: number, silentAfterMs: number): void {
    let gaveUp = false;
    for (let slot = 0; slot < this.#pending.length; slot++) {
      const pending = this.#pending[slot];
      if (pending === null || pending === undefined || !pending.overdue(nowMs)) continue;
      // The callback may have cancelled the request, and with it freed the slot.
      if (this.#pending[slot] === pending) this.#leave(slot);
      gaveUp = true;
    }
    if (gaveUp && nowMs - this.lastReceivedMs > silentAfterMs) {
      this.close(new SyncError('UNAVAILABLE', `${this.address} has been silent for ${silentAfterMs} ms`));
    }
  }

  /** The client is closing: its reads end now, its sessions still say goodbye. */
  cancelReads(error: SyncError): void {
    for (const pending of [...this.#pending]) if (pending instanceof ReadOp) pending.fail(error);
  }

  close(error: SyncError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.ready = false;
    this.#helloTimer?.cancel();
    this.#helloTimer = null;
    this.#link.destroy();
    const pending = this.#pending;
    const tags = this.#tags;
    this.#pending = [];
    this.#free = [];
    // The owner first: whoever is told of the loss looks for another way at once.
    this.#owner.closed(this, error);
    for (let slot = 0; slot < pending.length; slot++) pending[slot]?.disconnected(tags[slot]!);
  }

  /** Called by the turn: everything that this turn wanted to say, in one write. */
  endOfTurn(): void {
    this.#flushing = false;
    if (!this.#closed && this.#writer.length > 0) this.#link.write(this.#writer.take());
  }

  #send(frame: readonly unknown[]): void {
    this.#writer.appendValue(frame);
    if (this.#flushing) return;
    this.#flushing = true;
    this.#owner.turn.flush(this);
  }

  #makeSure(): void {
    if (this.inFlight < SLOTS - RESERVED_SLOTS) return;
    throw new SyncError('OVERLOADED', 'too many requests are in flight on one connection');
  }

  #enter(pending: Pending, group: number, tag: number): number {
    let slot = this.#free.pop();
    if (slot === undefined) {
      slot = this.#pending.length;
      if (slot === SLOTS) throw new SyncError('INTERNAL', 'the request table is full');
      this.#ids.push(slot);
      this.#pending.push(pending);
      this.#tags.push(tag);
      this.#groups.push(group);
      return slot;
    }
    const id = this.#ids[slot]! + SLOTS;
    this.#ids[slot] = id;
    this.#pending[slot] = pending;
    this.#tags[slot] = tag;
    this.#groups[slot] = group;
    return id;
  }

  #leave(slot: number): void {
    this.#pending[slot] = null;
    this.#free.push(slot);
  }

  #received(chunk: Uint8Array): void {
    this.lastReceivedMs = this.#owner.clock.monotonicMs();
    try {
      const payloads = this.#decoder.push(chunk);
      for (let i = 0; i < payloads.length && !this.#closed; i++) this.#handle(payloads[i]!);
    } catch (error) {
      // Whatever this member sent is at fault: it costs this connection and nothing else.
      this.close(asSyncError(error, 'PROTOCOL'));
    }
  }

  #handle(payload: Uint8Array): void {
    const reply = readReply(payload);
    switch (reply[0]) {
      case ReplyKind.Ok:
      case ReplyKind.Error: {
        const request = reply[1];
        if (!this.ready) {
          if (reply[0] === ReplyKind.Error) throw new SyncError(reply[2], reply[3]);
          throw new SyncError('PROTOCOL', 'a reply came before the hello');
        }
        if (request === 0 && reply[0] === ReplyKind.Error) throw new SyncError(reply[2], reply[3]);
        const slot = request % SLOTS;
        const pending = this.#pending[slot];
        // Late replies to what was cancelled or given up.
        if (pending === undefined || pending === null || this.#ids[slot] !== request) return;
        const tag = this.#tags[slot]!;
        this.#leave(slot);
        if (reply[0] === ReplyKind.Ok) {
          this.#owner.saw(this.#groups[slot]!, reply[2]);
          pending.replied(reply[2], reply[3], tag);
        } else {
          const refused: Refused = {
            code: reply[2],
            message: reply[3],
            leader: reply[4],
            detail: reply[5],
          };
          pending.refused(refused, tag);
        }
        return;
      }
      case ReplyKind.Push:
        this.#owner.pushed(reply);
        return;
      case ReplyKind.Leaders:
        this.#owner.leaders(this, reply);
        return;
      case ReplyKind.Hello:
        if (this.ready) throw new SyncError('PROTOCOL', 'a second hello');
        this.#helloTimer?.cancel();
        this.#helloTimer = null;
        this.member = reply[3];
        this.#owner.hello(this, reply);
        return;
    }
  }
}
