import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Every member listens on the same ports, each on an address of its own, as pods do. */
export const PORTS = { client: 7400, peer: 7401, http: 7402, admin: 7403, health: 7404 } as const;

export interface MemberOptions {
  readonly ordinal: number;
  readonly address: string;
  /** Template of the members' addresses. */
  readonly peerAddress: string;
  readonly dir: string;
  readonly program: string;
}

/** The built member program of this workspace. */
export function memberProgram(): string {
  const program = fileURLToPath(new URL('../../../node/dist/main.js', import.meta.url));
  if (!existsSync(program))
    throw new Error(`the member program is not built: ${program} is missing (npm run build)`);
  return program;
}

const running = new Set<ChildProcess>();
// Whatever ends this process, its members end with it.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One member as a process on this machine. */
export class MemberProcess {
  readonly ordinal: number;
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #ended: Promise<void>;
  #exit: string | null = null;

  constructor(options: MemberOptions) {
    this.ordinal = options.ordinal;
    this.address = options.address;
    const dataDir = join(options.dir, `member-${options.ordinal}`);
    mkdirSync(dataDir, { recursive: true });
    this.#logFile = join(options.dir, `member-${options.ordinal}.log`);
    const log = openSync(this.#logFile, 'a');
    this.#child = spawn(
      process.execPath,
      [
        // As the program's own first line says; it only works on the command line.
        '--max-semi-space-size=4',
        options.program,
        ...['--data-dir', dataDir],
        ...['--ordinal', String(options.ordinal)],
        ...['--pod-name', `bench-${options.ordinal}`],
        ...['--host', options.address],
        ...['--peer-address', options.peerAddress],
        ...['--client-port', String(PORTS.client)],
        ...['--peer-port', String(PORTS.peer)],
        ...['--http-port', String(PORTS.http)],
        ...['--admin-port', String(PORTS.admin)],
        ...['--health-port', String(PORTS.health)],
        ...['--log-level', 'warn'],
      ],
      // A group of its own: Ctrl-C in the terminal must not race with the orderly end.
      { stdio: ['ignore', log, log], detached: true },
    );
    closeSync(log);
    running.add(this.#child);
    this.#ended = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#exit = how;
        running.delete(this.#child);
        resolve();
      };
      this.#child.once('error', (error) => end(error.message));
      this.#child.once('exit', (code, signal) => end(signal === null ? `code ${code}` : `signal ${signal}`));
    });
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`member ${this.ordinal} did not start: ${this.#exit}`);
    return this.#child.pid;
  }

  /** Throws, with the end of its log, when the member is not running any more. */
  assertRunning(): void {
    if (this.#exit === null) return;
    let log = '';
    try {
      log = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
    } catch {
      // Nothing was logged.
    }
    throw new Error(`member ${this.ordinal} ended with ${this.#exit}${log === '' ? '' : `:\n${log}`}`);
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#exit !== null) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await this.#ended;
    clearTimeout(timer);
  }
}
