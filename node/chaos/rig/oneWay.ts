import type { Socket } from 'node:net';

/** Held beyond this, the sender is slowed down as by a full socket buffer. */
const HELD_BYTES_MAX = 256 * 1024;

interface Held {
  /** Null: the sender has ended its side. */
  readonly bytes: Buffer | null;
  /** Monotonic. */
  readonly dueMs: number;
}

/** One direction of a connection: takes chunks from one socket and hands them to another, in order, when it may. */
export class OneWay {
  readonly #chance: () => number;
  readonly #counted: (bytes: number) => void;
  readonly #broken: () => void;
  readonly #disturbed: () => void;
  #source: Socket | null = null;
  #sink: Socket | null = null;
  #held: Held[] = [];
  #heldBytes = 0;
  /** A broken connection, too, is noticed on the other side only once packets get through. */
  #isBroken = false;
  #stalled = false;
  #delay = { delayMs: 0, jitterMs: 0 };
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(
    source: Socket | null,
    chance: () => number,
    counted: (bytes: number) => void,
    broken: () => void,
    disturbed: () => void,
  ) {
    this.#chance = chance;
    this.#counted = counted;
    this.#broken = broken;
    this.#disturbed = disturbed;
    if (source !== null) this.from(source);
  }

  from(source: Socket): void {
    this.#source = source;
    source.on('data', (bytes: Buffer) => this.#take(bytes));
    source.on('end', () => this.#take(null));
    source.on('error', () => this.#break());
    source.on('close', (hadError) => {
      if (hadError) this.#break();
    });
    this.#flow();
  }

  into(sink: Socket): void {
    this.#sink = sink;
    sink.on('drain', () => this.#drain());
    this.#drain();
  }

  rule(stalled: boolean, delay: { delayMs: number; jitterMs: number }): void {
    if (this.#stalled && !stalled) this.#noteHeldBack();
    this.#stalled = stalled;
    this.#delay = { delayMs: delay.delayMs, jitterMs: delay.jitterMs };
    this.#flow();
    this.#drain();
  }

  stop(): void {
    if (this.#stalled) this.#noteHeldBack();
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#held = [];
  }

  /** A stall that held nothing back did nothing. What was not read is in the socket's own buffer. */
  #noteHeldBack(): void {
    if (this.#heldBytes + (this.#source?.readableLength ?? 0) > 0) this.#disturbed();
  }

  #take(bytes: Buffer | null): void {
    const last = this.#held.at(-1)?.dueMs ?? 0;
    const dueMs = performance.now() + this.#delay.delayMs + this.#chance() * this.#delay.jitterMs;
    if (this.#delay.delayMs > 0) this.#disturbed();
    // Never before what came earlier: TCP keeps the order.
    this.#held.push({ bytes, dueMs: Math.max(last, dueMs) });
    this.#heldBytes += bytes?.length ?? 0;
    this.#flow();
    this.#drain();
  }

  #break(): void {
    this.#isBroken = true;
    this.#drain();
  }

  /** A stalled direction is not read either: kernel buffers fill, and the sender feels it as it would in truth. */
  #flow(): void {
    if (this.#stalled || this.#heldBytes > HELD_BYTES_MAX) this.#source?.pause();
    else this.#source?.resume();
  }

  #drain(): void {
    if (this.#stopped || this.#stalled) return;
    if (this.#isBroken) {
      this.#broken();
      return;
    }
    const sink = this.#sink;
    if (sink === null || this.#timer !== null) return;
    for (;;) {
      const first = this.#held[0];
      if (first === undefined || sink.writableNeedDrain) break;
      const waitMs = first.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#timer = null;
          this.#drain();
        }, Math.ceil(waitMs));
        break;
      }
      this.#held.shift();
      if (first.bytes === null) {
        sink.end();
        continue;
      }
      this.#heldBytes -= first.bytes.length;
      this.#counted(first.bytes.length);
      sink.write(first.bytes);
    }
    this.#flow();
  }
}
