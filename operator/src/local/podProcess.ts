import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { writeFileAtomically } from './objectFiles.ts';
import type { PodAddress } from './podAddress.ts';
import { processIdentity, sendSignal } from './processIdentity.ts';

/** Every process of a runtime carries the runtime's directory in this variable: that is how strays are found. */
export const RUNTIME_VARIABLE = 'SYNCCLUSTER_LOCAL_DIR';
const EXIT_POLL_MS = 100;

/** In the pod's folder: enough to find its process again, and to tell it from another with the same pid. */
export interface ProcessRecord {
  readonly uid: string;
  readonly pid: number;
  readonly identity: string;
  readonly address: PodAddress;
  readonly startedAt: string;
}

export interface Exit {
  /** 128 + signal when a signal ended it. */
  readonly code: number;
  readonly signal: string | null;
}

export interface Launch {
  readonly folder: string;
  readonly uid: string;
  readonly address: PodAddress;
  readonly script: readonly string[];
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly logFile: string;
}

/** The one process of a pod, started by this runtime or by one before it. */
export class PodProcess {
  readonly record: ProcessRecord;
  readonly exited: Promise<Exit>;
  #alive = true;

  private constructor(record: ProcessRecord, exited: Promise<Exit>) {
    this.record = record;
    this.exited = exited.then((exit) => {
      this.#alive = false;
      // What it started itself goes with it, as a container's processes go with the first.
      sendSignal(-record.pid, 'SIGKILL');
      return exit;
    });
  }

  /** Detached, in a process group of its own: it outlives this process, and Ctrl-C does not reach it. */
  static start(launch: Launch): PodProcess {
    mkdirSync(launch.folder, { recursive: true });
    mkdirSync(dirname(launch.logFile), { recursive: true });
    rmSync(exitFile(launch.folder), { force: true });
    // Appending: the log may be cut short while the process writes on.
    const log = openSync(launch.logFile, 'a');
    let child: ChildProcess;
    try {
      child = spawn(process.execPath, [...launch.script, ...launch.args], {
        cwd: launch.workingDirectory,
        detached: true,
        stdio: ['ignore', log, log],
        env: {
          ...launch.environment,
          SYNCCLUSTER_EXIT_FILE: exitFile(launch.folder),
          // By the environment, for the Node processes that the program starts need the names too.
          NODE_OPTIONS: `${launch.environment['NODE_OPTIONS'] ?? ''} --import=${preloadUrl()}`.trim(),
        },
      });
    } finally {
      closeSync(log);
    }
    const exited = new Promise<Exit>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve({ code: code ?? signalCode(signal), signal }));
    });
    const pid = child.pid;
    const identity = pid === undefined ? null : processIdentity(pid);
    if (pid === undefined || identity === null) {
      exited.catch(() => undefined);
      throw new Error(`${process.execPath} could not be started`);
    }
    child.unref();
    const record: ProcessRecord = {
      uid: launch.uid,
      pid,
      identity,
      address: launch.address,
      startedAt: new Date().toISOString(),
    };
    writeFileAtomically(recordFile(launch.folder), `${JSON.stringify(record)}\n`);
    return new PodProcess(record, exited);
  }

  /** Takes over the recorded process if it still runs; otherwise tells how it ended. */
  static adopt(folder: string, record: ProcessRecord): PodProcess | Exit {
    if (processIdentity(record.pid) !== record.identity) return recordedExit(folder);
    const exited = new Promise<Exit>((resolve) => {
      const timer = setInterval(() => {
        if (processIdentity(record.pid) === record.identity) return;
        clearInterval(timer);
        resolve(recordedExit(folder));
      }, EXIT_POLL_MS);
      timer.unref();
    });
    return new PodProcess(record, exited);
  }

  get alive(): boolean {
    return this.#alive;
  }

  signal(signal: NodeJS.Signals): void {
    // An adopted pid may have been given away since the last look.
    if (this.#alive && processIdentity(this.record.pid) === this.record.identity)
      sendSignal(this.record.pid, signal);
  }
}

export function readRecord(folder: string): ProcessRecord | null {
  const path = recordFile(folder);
  if (!existsSync(path)) return null;
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof value !== 'object' || value === null) return null;
    const record = value as Partial<ProcessRecord>;
    const whole =
      typeof record.uid === 'string' &&
      typeof record.pid === 'number' &&
      typeof record.identity === 'string' &&
      typeof record.startedAt === 'string' &&
      typeof record.address?.host === 'string' &&
      typeof record.address.realPorts === 'object';
    return whole ? (record as ProcessRecord) : null;
  } catch {
    return null;
  }
}

function recordedExit(folder: string): Exit {
  const path = exitFile(folder);
  const code = existsSync(path) ? Number.parseInt(readFileSync(path, 'utf8'), 10) : Number.NaN;
  return Number.isNaN(code) ? { code: signalCode('SIGKILL'), signal: 'SIGKILL' } : { code, signal: null };
}

function signalCode(signal: NodeJS.Signals | null): number {
  return signal === null ? 1 : 128 + constants.signals[signal];
}

function recordFile(folder: string): string {
  return join(folder, 'process.json');
}
function exitFile(folder: string): string {
  return join(folder, 'exit-code');
}

function preloadUrl(): string {
  // Run from source, the preload is source too.
  return new URL(import.meta.url.endsWith('.ts') ? './podPreload.ts' : './podPreload.js', import.meta.url)
    .href;
}
