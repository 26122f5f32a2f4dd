import type { StreamSocket } from '../../src/transport/network.ts';
import type { Link } from './link.ts';
import type { SimProcess } from './process.ts';

/** What the system takes from a program before the other side has it; beyond it writes wait in the program. */
const KERNEL_BYTES = 256 * 1024;

type Listeners = {
  data: ((chunk: Buffer) => void)[];
  connect: (() => void)[];
  drain: (() => void)[];
  close: (() => void)[];
  error: ((error: Error) => void)[];
};

/** A machine; without power nobody there says that there is nobody. */
export interface Host {
  readonly name: string;
  dark: boolean;
}

/** One end of a stream. Bytes arrive in order, late, or not at all; each end learns of the other's end when told. */
export class SimSocket implements StreamSocket {
  readonly remoteAddress: string;
  readonly process: SimProcess;
  /** Towards the other end. */
  readonly #link: Link;
  #peer: SimSocket | null = null;
  readonly #listeners: Listeners = { data: [], connect: [], drain: [], close: [], error: [] };
  #destroyed = false;
  #paused = false;
  /** Arrived, and not read: by a process that does not read. */
  #inbox: Buffer[] = [];
  #endArrived = false;
  /** Sent, and not arrived. */
  #underWay = 0;
  #needsDrain = false;
  #ending = false;
  /** Nothing arrives before what was sent before it. */
  #lastArrivalMs = 0;
  /** What was sent before the connection stood. */
  #early: Buffer[] | null = [];

  readonly #host: Host;

  constructor(process: SimProcess, host: Host, link: Link, remoteAddress: string) {
    this.process = process;
    this.#host = host;
    this.#link = link;
    this.remoteAddress = remoteAddress;
    process.whenDead.add(this.#vanish);
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }
  get writableLength(): number {
    return Math.max(0, this.#underWay - KERNEL_BYTES);
  }

  on<E extends keyof Listeners>(event: E, listener: Listeners[E][number]): this {
    (this.#listeners[event] as (typeof listener)[]).push(listener);
    return this;
  }

  /** The connection stands. */
  join(peer: SimSocket): void {
    this.#peer = peer;
    const early = this.#early ?? [];
    this.#early = null;
    for (const bytes of early) this.#send(bytes);
  }
  connected(): void {
    this.process.deliver('io', () => {
      if (!this.#destroyed) for (const listener of this.#listeners.connect) listener();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#destroyed || this.#ending || !this.process.effect()) return false;
    const copy = Buffer.from(bytes);
    this.#underWay += copy.length;
    if (this.#early !== null) this.#early.push(copy);
    else this.#send(copy);
    if (this.writableLength > 0) this.#needsDrain = true;
    return !this.#needsDrain;
  }

  end(bytes: Uint8Array): void {
    this.write(bytes);
    this.destroySoon();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#inbox.length > 0 || this.#endArrived) this.process.defer(() => this.#read());
  }

  destroySoon(): void {
    if (this.#destroyed) return;
    this.#ending = true;
    this.#maybeFinish();
  }

  destroy(error?: Error): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#inbox = [];
    this.process.whenDead.delete(this.#vanish);
    if (this.process.effect()) this.#tellEnd();
    this.process.defer(() => {
      if (error !== undefined) for (const listener of this.#listeners.error) listener(error);
      for (const listener of this.#listeners.close) listener();
    });
  }

  /** It could not be opened, or was reset. */
  broken(code: string): void {
    this.process.deliver('io', () => {
      this.destroy(Object.assign(new Error(`${code} ${this.remoteAddress}`), { code }));
    });
  }

  /** The process is gone, and its system ends its streams, unless that is gone as well. */
  readonly #vanish = (): void => {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#inbox = [];
    if (!this.process.diedSilently) this.#tellEnd();
  };

  #tellEnd(): void {
    const peer = this.#peer;
    if (peer === null) return;
    this.#link.carry(this.#lastArrivalMs, () => peer.#arrivedEnd());
  }

  #send(bytes: Buffer): void {
    const peer = this.#peer;
    if (peer === null) return;
    for (const part of this.#link.parts(bytes)) {
      this.#lastArrivalMs = this.#link.carry(this.#lastArrivalMs, () => {
        this.#arrived(part.length);
        peer.#take(part);
      });
    }
  }

  #arrived(bytes: number): void {
    this.#underWay -= bytes;
    if (this.#needsDrain && this.writableLength === 0) {
      this.#needsDrain = false;
      this.process.deliver('io', () => {
        if (!this.#destroyed) for (const listener of this.#listeners.drain) listener();
      });
    }
    this.#maybeFinish();
  }

  #maybeFinish(): void {
    if (this.#ending && !this.#destroyed && this.#underWay === 0) this.process.defer(() => this.destroy());
  }

  #take(bytes: Buffer): void {
    if (!this.process.alive && this.process.diedSilently && !this.#host.dark) {
      // The machine is back and knows nothing of this stream.
      const peer = this.#peer;
      if (peer !== null) this.#link.carry(0, () => peer.broken('ECONNRESET'));
      return;
    }
    if (this.#destroyed) return;
    this.process.deliver('io', () => {
      if (this.#destroyed) return;
      this.#inbox.push(bytes);
      this.#read();
    });
  }

  #arrivedEnd(): void {
    if (this.#destroyed) return;
    this.process.deliver('io', () => {
      this.#endArrived = true;
      this.#read();
    });
  }

  #read(): void {
    while (!this.#paused && !this.#destroyed) {
      const bytes = this.#inbox.shift();
      if (bytes === undefined) break;
      for (const listener of this.#listeners.data) listener(bytes);
    }
    if (this.#endArrived && !this.#destroyed && !this.#paused) this.destroy();
  }
}
