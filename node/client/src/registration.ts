import { backoffMs } from './backoff.ts';
import type { Timer } from './clock.ts';
import type { Connection } from './connection.ts';
import { asSyncError, SyncError } from './errors.ts';
import type { Refused } from './pending.ts';
import { type Command, Op, SCHEMA_VERSION } from './protocol/commands.ts';
import { ERROR_CODES, type ErrorCode } from './protocol/errors.ts';
import { COORDINATION_GROUP, type GroupId, type Seq, type SessionId, type Token } from './protocol/ids.ts';
import { LIMITS } from './protocol/limits.ts';
import type { Parked, Router } from './router.ts';
import type { TurnTask } from './turn.ts';
import { packCommand } from './wire/index.ts';
import type { WindowOwner, WriteOp } from './writeOp.ts';

/**
 * Errors that only apply gives, so the sequence number is spent. After any other final error it is not known whether
 * the refusal came before the proposal, and the number would be missing.
 */
const APPLIED: ReadonlySet<ErrorCode> = new Set([
  'LOCK_HELD',
  'LOCK_NOT_HELD',
  'NOT_FOUND',
  'STALE_RECEIPT',
  'CONFLICT',
  'TIMEOUT',
]);
/** A gap below everything that is kept can only be a member's mistake; so many in a row end the session. */
const HOPELESS_GAPS = 10;
const WINDOW_AFTER_OVERLOAD = 16;
/** Packed commands that one window keeps for resending; one more may go over it. */
const WINDOW_BYTES = 32 * 1024 * 1024;
/** No queue or lock of that name can do any harm. */
const FILLER_NAME = '\u0000';

export interface RegistrationOwner {
  /** There is room in the window again. */
  windowMoved(): void;
  /** The members do not know this session any more. */
  expired(registration: Registration, error: SyncError): void;
  /** Was never applied and may go under the next session. */
  requeue(op: WriteOp): void;
  /** Writes go through this connection from here on. */
  attached(connection: Connection): void;
}

/**
 * One session in one group: the window of writes that are not settled yet, in sequence. A pass sends the window in
 * order over one connection; whatever breaks the order (a lost connection, another leader, a gap) starts the next
 * pass at the lowest unsettled number. Errors of earlier passes say nothing any more; successes always do.
 */
export class Registration implements WindowOwner, Parked, TurnTask {
  readonly group: GroupId;
  readonly session: SessionId;
  readonly #router: Router;
  readonly #owner: RegistrationOwner;
  /** Contiguous from `#head`; `#ops[#head]` is the lowest that is not settled. */
  #ops: WriteOp[] = [];
  #head = 0;
  /** Next to be sent by this pass; never below `#head`. */
  #next = 0;
  #nextSeq = 1;
  #pass = 1;
  /** Of the packed commands of all that are not settled. */
  #bytes = 0;
  /** Sent by this pass and not settled. */
  #outstanding = 0;
  #allowed: number = LIMITS.sessionWindow;
  /** Passes since the last one that settled anything. */
  #failures = 0;
  #connection: Connection | null = null;
  #avoid: Connection | null = null;
  #pause: Timer | null = null;
  #restarting = false;
  #ended: SyncError | null = null;

  constructor(router: Router, owner: RegistrationOwner, group: GroupId, session: SessionId) {
    this.#router = router;
    this.#owner = owner;
    this.group = group;
    this.session = session;
  }

  get connection(): Connection | null {
    return this.#connection?.ready === true ? this.#connection : null;
  }

  /** Null while the session lives. */
  get ended(): SyncError | null {
    return this.#ended;
  }

  get hasRoom(): boolean {
    return (
      this.#ended === null &&
      this.#ops.length - this.#head < LIMITS.sessionWindow &&
      this.#bytes < WINDOW_BYTES
    );
  }

  /** Writes that are not settled. */
  get unsettled(): number {
    return this.#ops.length - this.#head;
  }

  /** Gives the operation its sequence number; the caller made sure that there is room. */
  add(op: WriteOp): void {
    const seq = this.#nextSeq;
    try {
      const packed = op.pack(this.session, seq, this.#ops[this.#head]?.seq ?? seq);
      if (packed.length > LIMITS.commandBytes) {
        throw new SyncError('TOO_LARGE', `a command must have at most ${LIMITS.commandBytes} bytes`);
      }
      op.packed = packed;
    } catch (error) {
      op.fail(asSyncError(error, 'INVALID_ARGUMENT'));
      return;
    }
    this.#bytes += op.packed.length;
    op.seq = seq;
    op.owner = this;
    this.#nextSeq = seq + 1;
    this.#ops.push(op);
    this.#pump();
  }

  /** Moves to a better connection if there is one, and sends again what is under way. */
  routesChanged(): void {
    if (this.#ended !== null) return;
    if (this.#connection === null) {
      if (this.#pause !== null) this.#restart(0, null);
    } else if (!this.#router.isBest(this.#connection, this.group)) {
      this.#restart(0, null);
    }
  }

  sweep(nowMs: number): void {
    for (let i = this.#head; i < this.#ops.length; i++) this.#ops[i]!.expire(nowMs);
  }

  /**
   * The session is over. `known`: the members said so; then what is in flight still gets its own reply, and with it
   * its fate. Else nobody waits for it.
   */
  end(error: SyncError, known: boolean): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    this.#pause?.cancel();
    this.#pause = null;
    this.#router.unpark(this);
    const ops = this.#ops.slice(this.#head);
    for (const op of ops) {
      const inFlight = op.pass === this.#pass && op.sends > 0;
      if (op.done || (known && inFlight)) continue;
      this.#abandon(op, op.sends === 0);
    }
  }

  endOfTurn(): void {
    this.#restarting = false;
    this.#pump();
  }

  routeReady(): void {
    this.#pump();
  }

  replied(op: WriteOp, value: readonly unknown[]): void {
    if (op.done) return;
    this.#settle(op);
    op.succeed(value);
    if (this.#ended === null) this.#owner.windowMoved();
  }

  refused(op: WriteOp, refused: Refused, tag: number): void {
    if (op.done) return;
    const { code } = refused;
    if (code === 'SESSION_EXPIRED') {
      const error = new SyncError(code, refused.message);
      if (this.#ended === null) this.#owner.expired(this, error);
      if (!op.done) this.#abandon(op, op.sends === 1);
    } else if (this.#ended !== null) {
      this.#abandon(op, false);
    } else if (ERROR_CODES[code].retry === 'resend' && code !== 'MOVED') {
      this.#sendAgain(op, refused, tag);
    } else if (op.refusal !== null) {
      // Errors of the original that come in late are old news: the filler decides.
      if (tag < op.fillerPass) return;
      this.#settle(op);
      op.fail(op.refusal);
      this.#owner.windowMoved();
    } else if (APPLIED.has(code) || code === 'OUTCOME_UNKNOWN') {
      this.#settle(op);
      op.fail(new SyncError(code, refused.message));
      this.#owner.windowMoved();
    } else {
      op.refusal = new SyncError(code, refused.message);
      this.#bytes -= op.packed!.length;
      op.packed = this.#filler(op.seq);
      this.#bytes += op.packed.length;
      this.#restart(0, null);
      op.fillerPass = this.#pass;
    }
  }

  disconnected(op: WriteOp, tag: number): void {
    if (op.done) return;
    if (this.#ended !== null) this.#abandon(op, false);
    else if (tag === this.#pass) this.#restart(0, null);
  }

  #sendAgain(op: WriteOp, refused: Refused, tag: number): void {
    if (tag !== this.#pass) return;
    const { code, leader } = refused;
    const from = this.#connection;
    if (code === 'NOT_LEADER' || code === 'UNAVAILABLE') this.#router.learn(this.group, leader, from);
    if (code === 'OVERLOADED') this.#allowed = Math.max(WINDOW_AFTER_OVERLOAD, this.#outstanding >>> 1);
    if (code === 'SEQUENCE_GAP' && refused.detail < this.#ops[this.#head]!.seq) {
      if (this.#failures >= HOPELESS_GAPS) {
        this.#owner.expired(this, new SyncError('INTERNAL', `sequence number ${refused.detail} is missing`));
        // This was its reply: unlike what else is in flight it gets no other.
        if (!op.done) this.#abandon(op, false);
        return;
      }
    }
    const atOnce = this.#failures === 0 && (code === 'SEQUENCE_GAP' || leader !== 0);
    const delay = atOnce ? 0 : backoffMs(this.#router.clock, this.#failures);
    this.#failures++;
    this.#restart(delay, code === 'NOT_LEADER' || code === 'UNAVAILABLE' ? from : null);
  }

  /** Starts the next pass, after everything that this turn still brings. */
  #restart(delayMs: number, avoid: Connection | null): void {
    this.#pass++;
    this.#outstanding = 0;
    this.#next = this.#head;
    this.#connection = null;
    this.#avoid = avoid;
    this.#pause?.cancel();
    this.#pause = null;
    if (delayMs > 0) {
      this.#pause = this.#router.clock.after(delayMs, () => {
        this.#pause = null;
        this.#pump();
      });
    } else if (!this.#restarting) {
      this.#restarting = true;
      this.#router.turn.merge(this);
    }
  }

  #pump(): void {
    if (this.#restarting || this.#pause !== null || this.#ended !== null) return;
    if (this.#next === this.#ops.length) return;
    let connection = this.#connection;
    if (connection?.ready !== true) {
      connection = this.#router.route(this.group, this.#avoid);
      if (connection === null) {
        this.#router.park(this);
        return;
      }
      this.#connection = connection;
      this.#avoid = null;
      this.#owner.attached(connection);
    }
    while (this.#next < this.#ops.length && this.#outstanding < this.#allowed) {
      const op = this.#ops[this.#next++]!;
      if (op.done) continue;
      op.sends++;
      op.pass = this.#pass;
      this.#outstanding++;
      try {
        connection.write(this.group, op.packed!, op, this.#pass);
      } catch (error) {
        // The connection's table is full; try again when it has drained.
        if (asSyncError(error).code !== 'OVERLOADED') throw error;
        this.#restart(backoffMs(this.#router.clock, this.#failures++), null);
        return;
      }
    }
  }

  #settle(op: WriteOp): void {
    op.done = true;
    this.#bytes -= op.packed!.length;
    op.packed = null;
    this.#failures = 0;
    if (op.pass === this.#pass) this.#outstanding--;
    if (this.#allowed < LIMITS.sessionWindow) this.#allowed++;
    const ops = this.#ops;
    while (this.#head < ops.length && ops[this.#head]!.done) this.#head++;
    if (this.#head === ops.length) {
      ops.length = 0;
      this.#head = 0;
      this.#next = 0;
    } else {
      if (this.#next < this.#head) this.#next = this.#head;
      if (this.#head > 1_024) {
        this.#ops = ops.slice(this.#head);
        this.#next -= this.#head;
        this.#head = 0;
      }
    }
    this.#pump();
  }

  /** The session is over: ends the operation by what is known of it. */
  #abandon(op: WriteOp, neverApplied: boolean): void {
    op.done = true;
    op.packed = null;
    if (!neverApplied) {
      op.fail(
        new SyncError(
          'OUTCOME_UNKNOWN',
          'the session was lost before the reply came: the write may or may not have happened',
          { cause: this.#ended },
        ),
      );
    } else if (op.sessionBound || op.released) {
      op.fail(new SyncError('SESSION_EXPIRED', 'the session was lost', { cause: this.#ended }));
    } else {
      this.#owner.requeue(op);
    }
  }

  /** Spends a sequence number and changes nothing: whatever it names does not exist. */
  #filler(seq: number): Uint8Array {
    const header = [SCHEMA_VERSION, this.session, seq as Seq, this.#ops[this.#head]!.seq as Seq] as const;
    const command: Command =
      this.group === COORDINATION_GROUP
        ? [Op.LockRelease, ...header, FILLER_NAME, 1 as Token]
        : [Op.QueueAck, ...header, FILLER_NAME, [[0, 1, 1]]];
    return packCommand(command);
  }
}
