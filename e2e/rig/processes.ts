import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './condition.ts';
import { LOGS_DIR, PROCESSES_DIR } from './paths.ts';
import { identity, isAlive, type ProcessIdentity, parseIdentity, renderIdentity } from './processIdentity.ts';

export interface Program {
  /** Names its log and its record. */
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const STOP_TIMEOUT_MS = 5_000;

function logOf(name: string): string {
  return join(LOGS_DIR, `${name}.log`);
}

/** Starts a program that outlives this process, with its output in its log and its identity on record. */
export function start({ name, path, args, env }: Program): void {
  mkdirSync(PROCESSES_DIR, { recursive: true });
  mkdirSync(LOGS_DIR, { recursive: true });
  const log = openSync(logOf(name), 'a');
  try {
    const child = spawn(path, args, {
      cwd: '/',
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
    child.on('error', () => {}); // No pid then: told below.
    if (child.pid === undefined) throw new Error(`cannot start ${path}`);
    writeFileSync(join(PROCESSES_DIR, name), renderIdentity(identity(child.pid)));
    child.unref();
  } finally {
    closeSync(log);
  }
}

function recorded(name: string): ProcessIdentity | null {
  try {
    return parseIdentity(readFileSync(join(PROCESSES_DIR, name), 'utf8'));
  } catch {
    return null;
  }
}

export function recordedNames(): string[] {
  try {
    return readdirSync(PROCESSES_DIR);
  } catch {
    return [];
  }
}

export function isRunning(name: string): boolean {
  const process = recorded(name);
  return process !== null && isAlive(process);
}

/** For waits: why there is no point in waiting for what `name` should do. */
export function hasEnded(name: string): string | null {
  return isRunning(name) ? null : `${name} has ended\n${logTail(name)}`;
}

function logTail(name: string): string {
  try {
    return readFileSync(logOf(name), 'utf8').trim().split('\n').slice(-10).join('\n');
  } catch {
    return '';
  }
}

/** Ends a program by its recorded identity, and by force if asking does not help. */
export async function stop(name: string, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  const found = recorded(name);
  if (found !== null) {
    await end(found, name, signal);
    rmSync(join(PROCESSES_DIR, name), { force: true });
  }
}

/** Sends `signal`, and SIGKILL to a process that has not ended `timeoutMs` later. */
export async function end(
  found: ProcessIdentity,
  name: string,
  signal: 'SIGTERM' | 'SIGKILL',
  timeoutMs = STOP_TIMEOUT_MS,
): Promise<void> {
  send(found, signal);
  const gone = (): boolean => !isAlive(found);
  try {
    await waitUntil(`the end of ${name}`, gone, { timeoutMs, intervalMs: 20 });
  } catch {
    send(found, 'SIGKILL');
    await waitUntil(`the end of ${name}`, gone, { timeoutMs: STOP_TIMEOUT_MS, intervalMs: 20 });
  }
}

function send(found: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (!isAlive(found)) return;
  try {
    process.kill(found.pid, signal);
  } catch {
    // It ended in between.
  }
}
