import type { ErrorCode } from '@synccluster/client/protocol';
import { LIMITS, type Receipt, type Seq, type SessionId } from '@synccluster/client/protocol';
import { CowMap, type CowRecord, type Freezer } from './cowMap.ts';
import { invariant } from './invariant.ts';
import type { Outcome, SnapshotRecord } from './machine.ts';
import { fail } from './outcome.ts';
import { Section } from './section.ts';

/** Stored reply of a dequeue: receipts only, the payloads are looked up again. */
export interface Dequeued {
  readonly ok: null;
  readonly queue: string;
  readonly receipts: readonly Receipt[];
}
export type StoredReply = Outcome | Dequeued;

const FIRST_RING = 4;

/** A registration with the replies of `floor` … `last`, kept in a ring of a power of two. */
export interface Session extends CowRecord {
  readonly id: SessionId;
  readonly ttlMs: number;
  readonly label: string;
  last: number;
  /** Lowest sequence number whose reply is still kept. */
  floor: number;
  replies: (StoredReply | undefined)[];
}

/** Registrations of client sessions in this group, and exactly-once application in order. */
export class Sessions {
  lastId = 0;
  readonly table: CowMap<SessionId, Session>;

  constructor(freezer: Freezer) {
    this.table = new CowMap<SessionId, Session>(freezer, encodeSession);
  }

  get(id: SessionId): Readonly<Session> | undefined {
    return this.table.get(id);
  }

  open(ttlMs: number, label: string): SessionId {
    const id = ++this.lastId as SessionId;
    this.table.add(id, {
      epoch: 0,
      id,
      ttlMs,
      label,
      last: 0,
      floor: 1,
      replies: new Array<StoredReply | undefined>(FIRST_RING).fill(undefined),
    });
    return id;
  }

  /** False: there is no such session (any more). */
  end(id: SessionId): boolean {
    const session = this.table.get(id);
    if (session === undefined) return false;
    this.table.delete(id, session);
    return true;
  }

  *registrations(): IterableIterator<readonly [SessionId, number]> {
    for (const session of this.table.values()) yield [session.id, session.ttlMs];
  }

  /** What to answer instead of applying `seq`; null: it is the next one, apply it and `store` the reply. */
  answered(session: Readonly<Session>, seq: Seq): StoredReply | null {
    const expected = session.last + 1;
    if (seq === expected) return null;
    if (seq > expected) {
      return fail('SEQUENCE_GAP', `sequence number ${seq} came, ${expected} is next`, expected);
    }
    if (seq < session.floor) {
      return fail('OUTCOME_UNKNOWN', `the reply of sequence number ${seq} is no longer kept`);
    }
    const stored = session.replies[seq & (session.replies.length - 1)];
    invariant(stored !== undefined, 'every reply from floor to last is kept');
    return stored;
  }

  /** `floor` comes from the client; beyond the window the oldest replies go whatever it says. */
  store(session: Readonly<Session>, seq: Seq, floor: Seq, stored: StoredReply): void {
    invariant(seq === session.last + 1, 'replies are stored in order');
    const edited = this.table.edit(session);
    const lowest = Math.max(edited.floor, Math.min(floor, seq), seq - LIMITS.sessionWindow + 1);
    for (let gone = edited.floor; gone < lowest; gone++) {
      edited.replies[gone & (edited.replies.length - 1)] = undefined;
    }
    edited.floor = lowest;
    if (seq - lowest >= edited.replies.length) growRing(edited);
    edited.last = seq;
    edited.replies[seq & (edited.replies.length - 1)] = stored;
  }

  restore(record: SnapshotRecord): void {
    const [, id, ttlMs, label, last, floor, replies] = record as ReturnType<typeof encodeSession>;
    invariant(replies.length === last - floor + 1, 'a session has the replies from floor to last');
    let ring = FIRST_RING;
    while (ring < replies.length) ring *= 2;
    const session: Session = {
      epoch: 0,
      id,
      ttlMs,
      label,
      last,
      floor,
      replies: new Array<StoredReply | undefined>(ring).fill(undefined),
    };
    for (let i = 0; i < replies.length; i++) {
      session.replies[(floor + i) & (ring - 1)] = decodeReply(replies[i]!);
    }
    this.table.add(id, session);
  }
}

function growRing(session: Session): void {
  const old = session.replies;
  const ring = old.length * 2;
  session.replies = new Array<StoredReply | undefined>(ring).fill(undefined);
  for (let seq = session.floor; seq <= session.last; seq++) {
    session.replies[seq & (ring - 1)] = old[seq & (old.length - 1)];
  }
}

/** One field: a value; two: what was dequeued; three: an error. */
type EncodedReply =
  | readonly [value: readonly unknown[]]
  | readonly [queue: string, receipts: readonly Receipt[]]
  | readonly [code: ErrorCode, message: string, detail: number];

function encodeReply(stored: StoredReply): EncodedReply {
  if (stored.ok === null) return [stored.queue, stored.receipts];
  return stored.ok ? [stored.value] : [stored.code, stored.message, stored.detail];
}

function decodeReply(encoded: EncodedReply): StoredReply {
  if (encoded.length === 1) return { ok: true, value: encoded[0] };
  if (encoded.length === 2) return { ok: null, queue: encoded[0], receipts: encoded[1] };
  return fail(encoded[0], encoded[1], encoded[2]);
}

function encodeSession(session: Readonly<Session>) {
  const replies: EncodedReply[] = [];
  for (let seq = session.floor; seq <= session.last; seq++) {
    replies.push(encodeReply(session.replies[seq & (session.replies.length - 1)]!));
  }
  const { id, ttlMs, label, last, floor } = session;
  return [Section.Session, id, ttlMs, label, last, floor, replies] as const;
}
