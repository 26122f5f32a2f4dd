import { join } from 'node:path';
import type { ClaimController } from './claimController.ts';
import type { LocalLogger } from './controlLoop.ts';
import { isObject, type Json, type JsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { PODS } from './kinds.ts';
import { recordEvent } from './localKube.ts';
import { type ObjectStore, timestamp } from './objectStore.ts';
import { isDeleting, keyOf, type StoredObject } from './objects.ts';
import type { PodAddress, PodAddresses } from './podAddress.ts';
import { invocationOf, type ProgramMap } from './podEnvironment.ts';
import { tailOf } from './podLogs.ts';
import { type Exit, PodProcess, RUNTIME_VARIABLE, readRecord } from './podProcess.ts';
import { type ContainerState, podHasEnded, podIsReady, podStatus } from './podState.ts';
import { mountVolumes, NotYet, refreshVolumes, removePodFolder } from './podVolumes.ts';
import { Prober, probeOf } from './probe.ts';

const MANAGER = 'pod-runner';

export interface PodTimings {
  /** First wait of a program that keeps ending; doubled each time. The first restart is at once. @default 1000 */
  readonly backoffMs: number;
  /** @default 30000 */
  readonly maxBackoffMs: number;
  /** A program that ran this long starts with a clean slate. @default 60000 */
  readonly backoffResetMs: number;
  /** How often a probe is repeated until it succeeds for the first time. @default 100 */
  readonly eagerProbeMs: number;
  /** How soon a pod that waits for something is looked at again. @default 500 */
  readonly retryMs: number;
}
export const DEFAULT_TIMINGS: PodTimings = {
  backoffMs: 1000,
  maxBackoffMs: 30_000,
  backoffResetMs: 60_000,
  eagerProbeMs: 100,
  retryMs: 500,
};

export interface PodWorkerContext {
  readonly store: ObjectStore;
  readonly claims: ClaimController;
  readonly addresses: PodAddresses;
  readonly programs: ProgramMap;
  readonly directory: string;
  readonly timings: PodTimings;
  readonly logger: LocalLogger;
  /** Variables every pod gets, such as where the hosts file is. */
  environment(pod: StoredObject): Readonly<Record<string, string>>;
}

/**
 * One pod: starts its program, restarts it with back-off, probes it, ends it, and keeps the pod's status. At most one
 * process runs for a pod at any time, over restarts of this runtime too; its name is free only when it has ended.
 */
export class PodWorker {
  readonly #context: PodWorkerContext;
  readonly #folder: string;
  #pod: StoredObject;
  #process: PodProcess | null = null;
  #starting = false;
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #killTimer: NodeJS.Timeout | null = null;
  #probers: Prober[] = [];
  #restarts: number;
  #failures = 0;
  #ready = false;
  #started = false;
  #state: ContainerState = { waiting: { reason: 'ContainerCreating' } };
  #last: JsonObject | null = null;

  constructor(context: PodWorkerContext, pod: StoredObject) {
    this.#context = context;
    this.#pod = pod;
    this.#folder = join(
      context.directory,
      'run',
      pod.metadata.namespace,
      `${pod.metadata.name}.${pod.metadata.uid}`,
    );
    const status = listAt(pod, 'status', 'containerStatuses')[0];
    this.#restarts = numberAt(status, 'restartCount') ?? 0;
    this.#last = objectAt(status, 'lastState', 'terminated') ?? null;
  }

  get uid(): string {
    return this.#pod.metadata.uid;
  }
  get pid(): number | null {
    return this.#process?.alive === true ? this.#process.record.pid : null;
  }
  get address(): PodAddress | null {
    return this.#process?.alive === true ? this.#process.record.address : null;
  }

  /** Takes over the process an earlier runtime started, or starts one. */
  begin(): void {
    if (podHasEnded(this.#pod)) {
      if (isDeleting(this.#pod)) this.#finishDeletion();
      return;
    }
    const record = readRecord(this.#folder);
    if (record === null || record.uid !== this.uid) {
      this.#continue();
      return;
    }
    this.#context.addresses.keep(record.address);
    const adopted = PodProcess.adopt(this.#folder, record);
    if (adopted instanceof PodProcess) {
      this.#context.logger.info({ pod: this.#pod.metadata.name, pid: record.pid }, 'took over a running pod');
      this.#run(adopted, { ready: podIsReady(this.#pod) });
      this.#continue();
    } else {
      this.#ended(record.startedAt, adopted);
    }
  }

  /** The pod object changed. */
  update(pod: StoredObject): void {
    const deleting = isDeleting(pod) && !isDeleting(this.#pod);
    this.#pod = pod;
    if (deleting) this.#continue();
  }

  /** A ConfigMap or Secret of its namespace changed. */
  refresh(): void {
    if (this.#process?.alive === true) refreshVolumes(this.#context.store, this.#pod, this.#folder);
    else if (
      this.#timer !== null &&
      'waiting' in this.#state &&
      this.#state.waiting.reason !== 'CrashLoopBackOff'
    )
      this.#continue();
  }

  signal(signal: NodeJS.Signals): boolean {
    if (this.#process?.alive !== true) return false;
    this.#process.signal(signal);
    return true;
  }

  /** The pod object is gone: its process may not live on. */
  async remove(): Promise<void> {
    this.abandon();
    this.#process?.signal('SIGKILL');
    await this.#process?.exited;
    removePodFolder(this.#folder);
  }

  /** Ends the process, not the pod: the next runtime starts it again. Answers when the process has ended. */
  async stop(graceMs: number): Promise<void> {
    this.abandon();
    const running = this.#process;
    if (running?.alive !== true) return;
    running.signal('SIGTERM');
    const timer = setTimeout(() => running.signal('SIGKILL'), graceMs);
    await running.exited;
    clearTimeout(timer);
  }

  /** Looks after the pod no longer; the process goes on. */
  abandon(): void {
    this.#stopped = true;
    this.#stopProbers();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
  }

  /** Does what is due now; called again after each change, so it may find that nothing is. */
  #continue(): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (isDeleting(this.#pod)) {
      if (this.#process?.alive === true) this.#terminate();
      else if (!this.#starting) this.#finishDeletion();
      return;
    }
    if (this.#process === null && !this.#starting) void this.#start();
  }

  async #start(): Promise<void> {
    const { addresses, logger } = this.#context;
    const container = this.#container();
    this.#starting = true;
    try {
      const ports = listAt(container, 'ports').map((port) => numberAt(port, 'containerPort'));
      const address = await addresses.take(ports.filter((port) => port !== undefined));
      try {
        if (this.#stopped || isDeleting(this.#pod)) return;
        this.#launch(container, address);
      } finally {
        if (this.#process === null) addresses.free(address);
      }
    } catch (error) {
      const reason = error instanceof NotYet ? error.reason : 'RunContainerError';
      const message = error instanceof Error ? error.message : String(error);
      logger.debug({ pod: this.#pod.metadata.name, reason, message }, 'pod cannot start yet');
      const told = 'waiting' in this.#state && this.#state.waiting.message === message;
      if (!told && reason !== 'ContainerCreating' && reason !== 'Unschedulable')
        this.#event('Warning', 'Failed', message);
      this.#state = { waiting: { reason, message } };
      this.#writeStatus();
      this.#later(this.#context.timings.retryMs);
    } finally {
      this.#starting = false;
      if (isDeleting(this.#pod)) this.#continue();
    }
  }

  #launch(container: Json, address: PodAddress): void {
    const { store, claims, programs, directory, logger } = this.#context;
    const pod = this.#pod;
    if (listAt(pod, 'spec', 'containers').length !== 1 || listAt(pod, 'spec', 'initContainers').length > 0) {
      throw new NotYet('RunContainerError', 'local mode runs pods of exactly one container');
    }
    // Before the volumes are used: from here on the pod counts as a user of its claims.
    const mounts = mountVolumes(store, claims, pod, container, this.#folder);
    const invocation = invocationOf(store, pod, container, address, mounts, programs, {
      ...this.#context.environment(pod),
      [RUNTIME_VARIABLE]: directory,
    });
    const process = PodProcess.start({
      folder: this.#folder,
      uid: this.uid,
      address,
      script: invocation.script,
      args: invocation.args,
      environment: invocation.environment,
      workingDirectory: this.#folder,
      logFile: logFileOf(directory, pod),
    });
    logger.debug({ pod: pod.metadata.name, pid: process.record.pid, host: address.host }, 'pod started');
    this.#event('Normal', 'Started', `Started container ${stringAt(container, 'name') ?? ''}`);
    this.#run(process);
  }

  /** `adopted`: what it was known to be; a kubelet that restarts does not declare pods unready either. */
  #run(process: PodProcess, adopted: { readonly ready: boolean } | null = null): void {
    this.#process = process;
    this.#state = { running: { startedAt: process.record.startedAt } };
    void process.exited.then(
      (exit) => this.#exited(process, exit),
      (error: unknown) => {
        this.#context.logger.error(
          { err: error, pod: this.#pod.metadata.name },
          'program could not be started',
        );
        this.#exited(process, { code: 128, signal: null });
      },
    );
    const container = this.#container();
    const { address } = process.record;
    const startup = adopted?.ready === true ? null : probeOf(container, 'startupProbe');
    this.#started = startup === null;
    if (startup === null) this.#probe(container, process);
    else {
      const prober = new Prober(
        startup,
        address.host,
        this.#context.timings.eagerProbeMs,
        (healthy, message) => {
          prober.stop();
          if (healthy) this.#probe(container, process);
          else this.#unhealthy(process, 'Startup', message);
          this.#started = healthy;
          this.#writeStatus();
        },
      );
      this.#probers.push(prober);
    }
    this.#ready ||= adopted?.ready === true;
    this.#writeStatus();
  }

  #probe(container: Json, process: PodProcess): void {
    const { address } = process.record;
    const eagerMs = this.#context.timings.eagerProbeMs;
    const readiness = probeOf(container, 'readinessProbe');
    const liveness = probeOf(container, 'livenessProbe');
    if (readiness === null) this.#ready = true;
    else {
      this.#probers.push(
        new Prober(readiness, address.host, eagerMs, (healthy) => {
          this.#ready = healthy;
          this.#writeStatus();
        }),
      );
    }
    if (liveness !== null) {
      this.#probers.push(
        new Prober(liveness, address.host, liveness.periodMs, (healthy, message) => {
          if (!healthy) this.#unhealthy(process, 'Liveness', message);
        }),
      );
    }
  }

  #unhealthy(process: PodProcess, probe: string, message: string): void {
    if (!process.alive || this.#killTimer !== null) return;
    this.#event('Warning', 'Unhealthy', `${probe} probe failed: ${message}; the container will be restarted`);
    this.#endProcess(process);
  }

  #terminate(): void {
    if (this.#process === null || this.#killTimer !== null) return;
    this.#event('Normal', 'Killing', `Stopping container ${stringAt(this.#container(), 'name') ?? ''}`);
    this.#endProcess(this.#process);
  }

  /** SIGTERM now, SIGKILL when the grace period is over. */
  #endProcess(process: PodProcess): void {
    const graceSeconds =
      numberAt(this.#pod.metadata, 'deletionGracePeriodSeconds') ??
      numberAt(this.#pod, 'spec', 'terminationGracePeriodSeconds') ??
      30;
    process.signal('SIGTERM');
    this.#killTimer = setTimeout(() => process.signal('SIGKILL'), graceSeconds * 1000);
  }

  #exited(process: PodProcess, exit: Exit): void {
    if (this.#process !== process) return;
    this.#process = null;
    this.#context.addresses.free(process.record.address);
    if (this.#stopped) return;
    if (this.#killTimer !== null) clearTimeout(this.#killTimer);
    this.#killTimer = null;
    this.#ended(process.record.startedAt, exit);
  }

  /** As kubelets tell it: of a failed container that wrote no message, the end of its log where it asks for that. */
  #lastWords(exit: Exit): { message?: string } {
    if (exit.signal !== null) return { message: `ended by ${exit.signal}` };
    const asked = stringAt(this.#container(), 'terminationMessagePolicy') === 'FallbackToLogsOnError';
    const tail = asked && exit.code !== 0 ? tailOf(logFileOf(this.#context.directory, this.#pod)) : '';
    return tail === '' ? {} : { message: tail };
  }

  #ended(startedAt: string, exit: Exit): void {
    this.#stopProbers();
    this.#ready = false;
    this.#started = false;
    const terminated = {
      exitCode: exit.code,
      ...this.#lastWords(exit),
      reason: exit.code === 0 ? 'Completed' : 'Error',
      startedAt,
      finishedAt: timestamp(0),
    };
    if (isDeleting(this.#pod)) {
      this.#continue();
      return;
    }
    const policy = stringAt(this.#pod, 'spec', 'restartPolicy') ?? 'Always';
    if (policy === 'Never' || (policy === 'OnFailure' && exit.code === 0)) {
      this.#state = { terminated };
      this.#writeStatus(exit.code === 0 ? 'Succeeded' : 'Failed');
      return;
    }
    this.#last = terminated;
    this.#restarts += 1;
    const { backoffMs, maxBackoffMs, backoffResetMs } = this.#context.timings;
    if (Date.now() - Date.parse(startedAt) >= backoffResetMs) this.#failures = 0;
    this.#failures += 1;
    const waitMs =
      this.#failures === 1 ? 0 : Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(30, this.#failures - 2));
    this.#state = {
      waiting:
        waitMs === 0
          ? { reason: 'ContainerCreating' }
          : { reason: 'CrashLoopBackOff', message: `back-off ${waitMs} ms` },
    };
    if (waitMs > 0) this.#event('Warning', 'BackOff', 'Back-off restarting failed container');
    this.#writeStatus();
    this.#later(waitMs);
  }

  #finishDeletion(): void {
    this.abandon();
    this.#context.store.expunge(PODS, keyOf(this.#pod), this.uid);
    removePodFolder(this.#folder);
  }

  #later(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => this.#continue(), delayMs);
  }

  #stopProbers(): void {
    for (const prober of this.#probers) prober.stop();
    this.#probers = [];
  }

  #container(): JsonObject {
    const container = listAt(this.#pod, 'spec', 'containers')[0];
    return isObject(container) ? container : {};
  }

  #event(type: 'Normal' | 'Warning', reason: string, note: string): void {
    try {
      recordEvent(this.#context.store, MANAGER, { regarding: this.#pod, type, reason, action: reason, note });
    } catch (error) {
      this.#context.logger.debug({ err: error }, 'event was not recorded');
    }
  }

  #writeStatus(ended?: 'Succeeded' | 'Failed'): void {
    const { store, logger } = this.#context;
    const live = store.get(PODS, keyOf(this.#pod));
    if (live === null || live.metadata.uid !== this.uid) return;
    const status = podStatus(
      live,
      {
        host: this.#process?.record.address.host ?? null,
        state: this.#state,
        last: this.#last,
        restarts: this.#restarts,
        started: this.#started,
        ready: this.#ready,
        ended: ended ?? null,
      },
      timestamp(0),
    );
    try {
      const { resourceVersion: _, ...metadata } = live.metadata;
      store.updateStatus(PODS, { ...live, metadata, status }, MANAGER);
    } catch (error) {
      logger.warn(
        { err: error, pod: this.#pod.metadata.name },
        'status could not be written, will try again',
      );
      setTimeout(() => {
        if (!this.#stopped) this.#writeStatus(ended);
      }, this.#context.timings.retryMs).unref();
    }
  }
}

function logFileOf(directory: string, pod: StoredObject): string {
  return join(directory, 'logs', pod.metadata.namespace, `${pod.metadata.name}.log`);
}
