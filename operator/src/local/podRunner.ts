import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_MAPS, PODS, SECRETS } from './kinds.ts';
import type { StoredObject } from './objects.ts';
import type { PodAddress } from './podAddress.ts';
import { boundLogs } from './podLogs.ts';
import { RUNTIME_VARIABLE } from './podProcess.ts';
import { PodWorker, type PodWorkerContext } from './podWorker.ts';
import { processesWithEnvironment, processGroup, sendSignal } from './processIdentity.ts';

const LOG_CHECK_MS = 5000;

/** The kubelet of local mode: a worker for every pod in the store. */
export class PodRunner {
  readonly #context: PodWorkerContext;
  readonly #workers = new Map<string, PodWorker>();
  readonly #ending = new Set<Promise<void>>();
  #unsubscribe: () => void = () => undefined;
  #logTimer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(context: PodWorkerContext) {
    this.#context = context;
  }

  start(): void {
    const { store, directory, logger } = this.#context;
    this.#unsubscribe = store.onChange(({ kind, before, after }) => {
      if (kind === PODS) {
        // Not inside the write that told of it: the worker writes itself.
        setImmediate(() => this.#podChanged(before, after));
      } else if (kind === CONFIG_MAPS || kind === SECRETS) {
        setImmediate(() => this.#refresh((after ?? before)?.metadata.namespace ?? ''));
      }
    });
    for (const pod of store.list(PODS)) this.#add(pod);
    this.#removeStrays();
    this.#logTimer = setInterval(() => boundLogs(join(directory, 'logs'), logger), LOG_CHECK_MS);
    this.#logTimer.unref();
  }

  /** Ends every process and answers when none is left. */
  async stop(graceMs: number): Promise<void> {
    this.#letGo();
    await Promise.all([
      ...[...this.#workers.values()].map((worker) => worker.stop(graceMs)),
      ...this.#ending,
    ]);
    killStrays(this.#context.directory, new Set());
  }

  /** SIGKILL to every process, without waiting. */
  killAll(): void {
    for (const worker of this.#workers.values()) worker.signal('SIGKILL');
  }

  /** Lets go of everything; the processes run on, as after a SIGKILL of this one. */
  abandon(): void {
    this.#letGo();
    for (const worker of this.#workers.values()) worker.abandon();
  }

  signal(namespace: string, name: string, signal: NodeJS.Signals): boolean {
    return this.#worker(namespace, name)?.signal(signal) ?? false;
  }
  address(namespace: string, name: string): PodAddress | null {
    return this.#worker(namespace, name)?.address ?? null;
  }
  pid(namespace: string, name: string): number | null {
    return this.#worker(namespace, name)?.pid ?? null;
  }

  #letGo(): void {
    this.#unsubscribe();
    this.#stopped = true;
    if (this.#logTimer !== null) clearInterval(this.#logTimer);
  }

  #worker(namespace: string, name: string): PodWorker | undefined {
    const pod = this.#context.store.get(PODS, { namespace, name });
    return pod === null ? undefined : this.#workers.get(pod.metadata.uid);
  }

  #podChanged(before: StoredObject | null, after: StoredObject | null): void {
    if (this.#stopped) return;
    if (after !== null) {
      const worker = this.#workers.get(after.metadata.uid);
      if (worker !== undefined) worker.update(after);
      // Told late: it may be gone already, and then there is nothing to start.
      else if (this.#context.store.get(PODS, after.metadata)?.metadata.uid === after.metadata.uid)
        this.#add(after);
    } else if (before !== null) {
      const worker = this.#workers.get(before.metadata.uid);
      this.#workers.delete(before.metadata.uid);
      if (worker !== undefined) this.#track(worker.remove());
    }
  }

  #add(pod: StoredObject): void {
    const worker = new PodWorker(this.#context, pod);
    this.#workers.set(pod.metadata.uid, worker);
    worker.begin();
  }

  #refresh(namespace: string): void {
    if (this.#stopped) return;
    for (const pod of this.#context.store.list(PODS, { namespace }))
      this.#workers.get(pod.metadata.uid)?.refresh();
  }

  #track(ending: Promise<void>): void {
    const tracked: Promise<void> = ending
      .catch((error: unknown) => this.#context.logger.warn({ err: error }, 'a pod was not removed cleanly'))
      .finally(() => this.#ending.delete(tracked));
    this.#ending.add(tracked);
  }

  /** What an earlier runtime left without a pod: its processes, and its folders. */
  #removeStrays(): void {
    const { store, directory } = this.#context;
    killStrays(
      directory,
      new Set([...this.#workers.values()].map((worker) => worker.pid).filter((pid) => pid !== null)),
    );
    const run = join(directory, 'run');
    const uids = new Set(store.list(PODS).map((pod) => pod.metadata.uid));
    for (const namespace of existsSync(run) ? readdirSync(run) : []) {
      for (const folder of readdirSync(join(run, namespace))) {
        const uid = folder.slice(folder.lastIndexOf('.') + 1);
        if (!uids.has(uid)) rmSync(join(run, namespace, folder), { recursive: true, force: true });
      }
    }
  }
}

/** SIGKILL to every process started for this directory but the groups of `keep`: their number is answered. */
export function killStrays(directory: string, keep: ReadonlySet<number>): number {
  // A pod's own children carry the variable too: they are in the process group of the pod's first process.
  const strays = processesWithEnvironment(`${RUNTIME_VARIABLE}=${directory}`).filter(
    (pid) => pid !== process.pid && !keep.has(pid) && !keep.has(processGroup(pid)),
  );
  for (const pid of strays) sendSignal(pid, 'SIGKILL');
  return strays.length;
}
