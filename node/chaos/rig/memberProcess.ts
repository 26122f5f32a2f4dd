import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Addresses, PORTS, peerName } from './addresses.ts';
import { AdminClient } from './adminClient.ts';

export interface MemberFiles {
  readonly volume: string;
  readonly hostsFile: string;
  readonly log: string;
}

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How a member is run. */
export interface Program {
  /** Of Node, the program last. */
  readonly args: readonly string[];
  /** Beside this process' own. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface MemberOptions {
  readonly ordinal: number;
  readonly addresses: Addresses;
  readonly files: MemberFiles;
  readonly program: Program;
  readonly flags: readonly string[];
  /** It can be asked for something. */
  readonly onServing: () => void;
  /** The process ended although nobody here ended it. */
  readonly onUnasked: (ordinal: number, end: ProcessEnd) => void;
}

const SERVING_POLL_MS = 50;

const children = new Set<ChildProcess>();
// Whatever ends this process, its members end with it.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** A member as a process that is started, stopped, killed and started again on the same address and volume. */
export class MemberProcess {
  readonly ordinal: number;
  readonly admin: AdminClient;
  readonly files: MemberFiles;
  readonly #options: MemberOptions;
  #child: ChildProcess | null = null;
  #ended: Promise<ProcessEnd | null> = Promise.resolve(null);
  /** What it was told to end by, since it started. */
  readonly #asked = new Set<NodeJS.Signals>();
  #isPaused = false;
  #isServing = false;
  #starts = 0;

  constructor(options: MemberOptions) {
    this.ordinal = options.ordinal;
    this.files = options.files;
    this.admin = new AdminClient(`${options.addresses.member(options.ordinal)}:${PORTS.admin}`);
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }
  get isPaused(): boolean {
    return this.#isPaused;
  }
  /** Its listeners answered since the last start, and it has not been stopped. */
  get isServing(): boolean {
    return this.#child !== null && this.#isServing && !this.#isPaused;
  }
  get starts(): number {
    return this.#starts;
  }

  /** Does nothing while it runs. `clockSkewMs`: how wrong its wall clock is for this life. */
  start(clockSkewMs: number): void {
    if (this.#child !== null) return;
    const { ordinal, addresses, files, program, flags } = this.#options;
    const host = addresses.member(ordinal);
    appendFileSync(files.log, `--- start ${this.#starts}, clock skewed by ${clockSkewMs} ms\n`);
    const log = openSync(files.log, 'a');
    const child = spawn(
      process.execPath,
      [
        ...program.args,
        ...['--data-dir', files.volume, '--ordinal', String(ordinal), '--pod-name', `chaos-${ordinal}`],
        ...['--host', host, '--advertise-host', addresses.door(ordinal)],
        ...['--peer-address', peerName('{ordinal}'), '--hosts-file', files.hostsFile],
        // In one piece, for a number below zero looks like another flag.
        `--clock-skew-ms=${clockSkewMs}`,
        ...flags,
      ],
      { stdio: ['ignore', log, log], env: { ...process.env, ...program.environment } },
    );
    closeSync(log);
    this.#starts += 1;
    this.#child = child;
    this.#asked.clear();
    this.#isPaused = false;
    this.#isServing = false;
    children.add(child);
    void this.#awaitServing(child);
    this.#ended = new Promise((resolve) => {
      const end = (how: ProcessEnd): void => {
        if (this.#child !== child) return;
        children.delete(child);
        this.#child = null;
        this.#isPaused = false;
        appendFileSync(files.log, `--- ended, code ${how.code}, signal ${how.signal}\n`);
        if (this.#asked.size === 0) this.#options.onUnasked(ordinal, how);
        resolve(how);
      };
      child.once('error', (error) => {
        appendFileSync(files.log, `--- ${error.message}\n`);
        end({ code: null, signal: null });
      });
      child.once('exit', (code, signal) => end({ code, signal }));
    });
  }

  async #awaitServing(child: ChildProcess): Promise<void> {
    while (this.#child === child) {
      const identity = await this.admin.identity().catch(() => null);
      if (identity !== null && this.#child === child) {
        this.#isServing = true;
        this.#options.onServing();
        return;
      }
      await sleep(SERVING_POLL_MS);
    }
  }

  /** True: this ended it, and nothing before. Resolves when it is gone. */
  async kill(): Promise<boolean> {
    return this.#end('SIGKILL');
  }

  /** Asks it to stop in order, and resolves when it is gone; a paused one is resumed first. True: it did stop in order. */
  async terminate(): Promise<boolean> {
    this.resume();
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<boolean> {
    if (this.#child === null) return false;
    const isFirst = !this.#asked.has(signal);
    this.#asked.add(signal);
    this.#child.kill(signal);
    const how = await this.#ended;
    return isFirst && (signal === 'SIGKILL' ? how?.signal === signal : how?.signal === null);
  }

  /** Stops it where it is, as a suspended machine. False: it was not running. */
  pause(): boolean {
    if (this.#child === null || this.#isPaused) return false;
    this.#isPaused = this.#child.kill('SIGSTOP');
    return this.#isPaused;
  }
  resume(): void {
    if (this.#child === null || !this.#isPaused) return;
    this.#child.kill('SIGCONT');
    this.#isPaused = false;
  }
}
