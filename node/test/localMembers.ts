import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { IdentityView, MemberStatus, RosterChangeView } from '../src/http/memberPort.ts';

const PROGRAM = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const DEADLINE_MS = 30_000;

/** Waits for a condition; what the last attempt said stands in the error. */
export async function until<T>(
  what: string,
  attempt: () => Promise<T | null | false> | T | null | false,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  let last = 'not yet';
  for (;;) {
    try {
      const value = await attempt();
      if (value !== null && value !== false) return value;
      last = 'not yet';
    } catch (error) {
      last = String(error);
    }
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Real member processes from source, each on a loopback address of its own. */
export class LocalMembers {
  readonly dir = mkdtempSync(join(tmpdir(), 'synccluster-test-'));
  readonly #prefix = `127.${randomInt(64, 250)}.${randomInt(1, 250)}.1`;
  readonly #processes: (ChildProcess | null)[] = [];
  readonly #flags: readonly string[];

  constructor(flags: readonly string[] = []) {
    this.#flags = flags;
  }

  host(ordinal: number): string {
    return `${this.#prefix}${ordinal}`;
  }
  endpoint(ordinal: number): string {
    return `${this.host(ordinal)}:7400`;
  }
  volume(ordinal: number): string {
    return join(this.dir, `volume-${ordinal}`);
  }
  log(ordinal: number): string {
    return readFileSync(join(this.dir, `member-${ordinal}.log`), 'utf8');
  }
  pid(ordinal: number): number {
    return this.#processes[ordinal]!.pid!;
  }
  running(ordinal: number): boolean {
    const child = this.#processes[ordinal];
    return child !== null && child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  start(ordinal: number): void {
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '-C',
        'development',
        PROGRAM,
        ...['--data-dir', this.volume(ordinal), '--pod-name', `member-${ordinal}`],
        ...['--host', this.host(ordinal), '--peer-address', `${this.#prefix}{ordinal}`],
        ...this.#flags,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const path = join(this.dir, `member-${ordinal}.log`);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => appendFileSync(path, chunk));
    }
    this.#processes[ordinal] = child;
  }

  /** Resolves when the process has ended: with its exit code, or null when a signal ended it. */
  async kill(ordinal: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#processes[ordinal];
    if (child === null || child === undefined) return null;
    if (!this.running(ordinal)) return child.exitCode;
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return await ended;
  }

  /** Stops the process where it is, until `resume`. */
  suspend(ordinal: number): void {
    this.#processes[ordinal]!.kill('SIGSTOP');
  }
  resume(ordinal: number): void {
    this.#processes[ordinal]!.kill('SIGCONT');
  }

  wipe(ordinal: number): void {
    rmSync(this.volume(ordinal), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((_, ordinal) => this.kill(ordinal)));
    rmSync(this.dir, { recursive: true, force: true });
  }

  async admin<T>(ordinal: number, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`http://${this.host(ordinal)}:7403/admin/v1/${path}`, {
      signal: AbortSignal.timeout(5_000),
      ...(body === undefined
        ? {}
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
  identity(ordinal: number): Promise<IdentityView> {
    return this.admin(ordinal, 'identity');
  }
  status(ordinal: number): Promise<MemberStatus> {
    return this.admin(ordinal, 'status');
  }
  async changeRoster(via: number, changes: readonly RosterChangeView[]): Promise<void> {
    const { roster } = await this.status(via);
    await this.admin(via, 'roster', { expectedVersion: roster.version, changes });
  }

  /** Starts `count` members and makes one cluster of them, as the operator would. */
  async found(count: number, shards = 3): Promise<void> {
    for (let ordinal = 0; ordinal < count; ordinal++) this.start(ordinal);
    await until('identity of member 0', () => this.identity(0));
    await this.admin(0, 'bootstrap', { clusterId: 'test-cluster', shards });
    await until('the founder to be ready', async () => (await this.status(0)).ready);
    for (let ordinal = 1; ordinal < count; ordinal++) await this.join(ordinal, 0);
    await this.ready(count);
  }

  /** Admits the member with an empty volume at this ordinal: learner, then voter. */
  async join(ordinal: number, via: number): Promise<number> {
    const { memberId } = await until(`identity of member ${ordinal}`, () => this.identity(ordinal));
    await this.changeRoster(via, [{ memberId, ordinal, target: 'learner' }]);
    await until(`member ${ordinal} to be a learner`, async () => {
      const { groups } = await this.status(ordinal);
      return groups.every((g) => g.membership === 'learner');
    });
    await this.changeRoster(via, [{ memberId, ordinal, target: 'voter' }]);
    return memberId;
  }

  async ready(count: number): Promise<void> {
    for (let ordinal = 0; ordinal < count; ordinal++) {
      await until(`member ${ordinal} to be ready`, async () => {
        const status = await this.status(ordinal);
        if (!status.ready) throw new Error(status.notReadyReason ?? '');
        return status.groups.every((g) => g.leader !== 0);
      });
    }
  }

  /** Ordinal of a group's leader, as its leader says. */
  async leader(group: number, count: number): Promise<number> {
    return until(`a leader of group ${group}`, async () => {
      for (let ordinal = 0; ordinal < count; ordinal++) {
        if (!this.running(ordinal)) continue;
        const status = await this.status(ordinal).catch(() => null);
        if (status?.groups.find((g) => g.group === group)?.role === 'leader') return [ordinal];
      }
      return null;
    }).then(([ordinal]) => ordinal!);
  }
}
