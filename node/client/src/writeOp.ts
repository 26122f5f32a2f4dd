import { cancelled, SyncError } from './errors.ts';
import type { Pending, Refused } from './pending.ts';
import type { Command, Opcode } from './protocol/commands.ts';
import { SCHEMA_VERSION } from './protocol/commands.ts';
import { refuseCommand } from './protocol/validate.ts';
import { packCommand } from './wire/index.ts';

/** Where an operation stands in a registration's window; only the registration changes it. */
export interface WindowOwner {
  replied(op: WriteOp, value: readonly unknown[]): void;
  refused(op: WriteOp, refused: Refused, tag: number): void;
  disconnected(op: WriteOp, tag: number): void;
}

/**
 * One command on its way into the log exactly once. Two lives that end apart: the caller's, ended by the reply, its
 * deadline or its signal; and that of the sequence number, which has to be settled whatever the caller wants.
 */
export abstract class WriteOp implements Pending {
  /** Its meaning hangs on this very session (a lock's release): never sent under another one. */
  readonly sessionBound: boolean = false;
  /** Monotonic; for the caller. */
  readonly deadlineMs: number;
  readonly #command: unknown[];
  #signal: AbortSignal | null = null;
  #released = false;

  /** Window state. */
  owner: WindowOwner | null = null;
  seq = 0;
  packed: Uint8Array | null = null;
  sends = 0;
  /** The pass that sent it last. */
  pass = 0;
  /** Log index that its reply reflects. */
  index = 0;
  /** Its sequence number is settled. */
  done = false;
  /** Refused before it was proposed: a filler takes its sequence number, from that pass on. */
  refusal: SyncError | null = null;
  fillerPass = 0;

  constructor(deadlineMs: number, op: Opcode, ...fields: readonly unknown[]) {
    this.deadlineMs = deadlineMs;
    this.#command = [op, SCHEMA_VERSION, 0, 0, 0, ...fields];
  }

  /** For the caller, who gets exactly one of these two. */
  protected abstract applied(value: readonly unknown[]): void;
  protected abstract failed(error: SyncError): void;
  /** It was applied after the caller had gone: undo what nobody will use. */
  protected late(_value: readonly unknown[]): void {}
  /** It is over without having been applied, as far as is known; the caller may be long gone. */
  protected over(): void {}

  /** The caller has been answered. */
  get released(): boolean {
    return this.#released;
  }

  /** Why it cannot be sent at all, or null. */
  check(): SyncError | null {
    const refusal = refuseCommand(this.#command);
    return refusal === null ? null : new SyncError(refusal.code, refusal.message);
  }

  /** Watches the caller's signal; false: it has fired already. */
  watch(signal: AbortSignal | undefined): boolean {
    if (signal === undefined) return true;
    if (signal.aborted) {
      this.fail(cancelled(signal));
      return false;
    }
    this.#signal = signal;
    signal.addEventListener('abort', this.#aborted);
    return true;
  }

  /** Packs the command under its place in the session. */
  pack(session: number, seq: number, floor: number): Uint8Array {
    const command = this.#command;
    command[2] = session;
    command[3] = seq;
    command[4] = floor;
    return packCommand(command as unknown as Command);
  }

  succeed(value: readonly unknown[]): void {
    const late = this.#released;
    if (!late) this.#release();
    try {
      if (late) this.late(value);
      else this.applied(value);
    } catch (error) {
      if (!late) this.failed(new SyncError('PROTOCOL', 'the reply has an unknown shape', { cause: error }));
      this.over();
    }
  }

  /** Final: nothing more will happen to it. */
  fail(error: SyncError): void {
    this.giveUp(error);
    this.over();
  }

  /** Ends the caller's wait; the sequence number, if it has one, is still to be settled. */
  giveUp(error: SyncError): void {
    if (this.#released) return;
    this.#release();
    this.failed(error);
  }

  /** Ends the caller's wait if its deadline passed. */
  expire(nowMs: number): void {
    if (nowMs < this.deadlineMs || this.#released) return;
    const text = this.seq === 0 ? 'it was not sent' : 'it may still be applied';
    this.giveUp(new SyncError('TIMEOUT', `no reply came in time; ${text}`));
  }

  replied(index: number, value: readonly unknown[]): void {
    this.index = index;
    this.owner!.replied(this, value);
  }

  refused(refused: Refused, tag: number): void {
    this.owner!.refused(this, refused, tag);
  }

  disconnected(tag: number): void {
    this.owner!.disconnected(this, tag);
  }

  /** The window watches over its deadlines; the sequence number has none. */
  overdue(): boolean {
    return false;
  }

  readonly #aborted = (): void => {
    this.giveUp(cancelled(this.#signal!));
  };

  #release(): void {
    this.#released = true;
    this.#signal?.removeEventListener('abort', this.#aborted);
  }
}
