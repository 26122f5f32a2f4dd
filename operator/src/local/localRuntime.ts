import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crds } from '../api/crds.ts';
import { KubeError, type KubePort } from '../runtime/kube.ts';
import { ClaimController } from './claimController.ts';
import { ClientDoors, type DoorPorts } from './clientDoors.ts';
import type { LocalLogger } from './controlLoop.ts';
import { Door } from './door.ts';
import { GarbageCollector } from './garbageCollector.ts';
import { JobController } from './jobController.ts';
import { stringAt, toJsonObject } from './json.ts';
import { type Kind, KindRegistry, SERVICES } from './kinds.ts';
import { LocalKube } from './localKube.ts';
import { ObjectStore } from './objectStore.ts';
import { PodAddresses } from './podAddress.ts';
import type { ProgramMap } from './podEnvironment.ts';
import { killStrays, PodRunner } from './podRunner.ts';
import { DEFAULT_TIMINGS, type PodTimings } from './podWorker.ts';
import { sendSignal } from './processIdentity.ts';
import { lockHolder, RuntimeLock } from './runtimeLock.ts';
import { type Endpoint, endpointsOf, ServiceNames } from './serviceNames.ts';
import { leadToSingleLoopback } from './singleLoopback.ts';
import { StatefulSetController } from './statefulSetController.ts';

/** Field manager of what the user applies, as told apart from the operator's. */
const USER = 'kubectl';
const OPERATOR = 'synccluster-operator';
const HOUR_MS = 3_600_000;

export interface LocalRuntimeOptions {
  /** Objects, volumes, logs and what runs: everything is in here. One runtime at a time. */
  readonly dir: string;
  readonly logger: LocalLogger;
  /** Watches end by themselves after about this long. @default 3600000 */
  readonly watchLifetimeMs?: number;
  /** How long names stay stale after a change. @default 200 */
  readonly nameDelayMs?: number;
  /** How long a process gets to end when the runtime stops. @default 10000 */
  readonly stopGraceMs?: number;
  readonly timings?: Partial<PodTimings>;
  /** Command of a container → arguments of Node. @default the member and the load generator */
  readonly programs?: ProgramMap;
  /** @default those of SyncCluster and SyncBenchmark */
  readonly customResourceDefinitions?: readonly unknown[];
  /** Lead every pod's address to ports of 127.0.0.1, as on systems where that is the only loopback address. */
  readonly singleAddress?: boolean;
}

const DEFAULT_PROGRAMS: ProgramMap = {
  'synccluster-node': [fileURLToPath(import.meta.resolve('@synccluster/node/main'))],
  'synccluster-bench': [fileURLToPath(import.meta.resolve('@synccluster/bench/main'))],
};

export async function startLocalRuntime(options: LocalRuntimeOptions): Promise<LocalRuntime> {
  return LocalRuntime.start(options);
}

/**
 * What a cluster is to the operator: objects with an API server's rules, the controllers behind them, and pods that
 * run, as processes of this machine. They outlive a killed runtime; the next one in the same directory takes them over.
 */
export class LocalRuntime {
  readonly kube: KubePort;
  readonly store: ObjectStore;
  readonly directory: string;
  readonly #lock: RuntimeLock;
  readonly #runner: PodRunner;
  readonly #door: Door;
  readonly #clientDoors: ClientDoors;
  readonly #parts: readonly { stop(): void }[];
  readonly #stopGraceMs: number;
  #stopping: Promise<void> | null = null;

  private constructor(parts: {
    kube: KubePort;
    store: ObjectStore;
    directory: string;
    lock: RuntimeLock;
    runner: PodRunner;
    door: Door;
    clientDoors: ClientDoors;
    controllers: readonly { stop(): void }[];
    stopGraceMs: number;
  }) {
    this.kube = parts.kube;
    this.store = parts.store;
    this.directory = parts.directory;
    this.#lock = parts.lock;
    this.#runner = parts.runner;
    this.#door = parts.door;
    this.#clientDoors = parts.clientDoors;
    this.#parts = parts.controllers;
    this.#stopGraceMs = parts.stopGraceMs;
  }

  static async start(options: LocalRuntimeOptions): Promise<LocalRuntime> {
    const directory = resolve(options.dir);
    const { logger } = options;
    mkdirSync(directory, { recursive: true });
    const lock = RuntimeLock.take(directory);
    try {
      const store = new ObjectStore({
        directory: join(directory, 'objects'),
        kinds: new KindRegistry(options.customResourceDefinitions ?? crds),
        onDamaged: (path, reason) => logger.error({ path, reason }, 'a damaged object file was set aside'),
      });
      const door = await Door.open(store, directory, logger);
      const portsFile = join(directory, 'ports');
      const addresses =
        options.singleAddress === true
          ? PodAddresses.single(portsFile)
          : await PodAddresses.detect(portsFile);
      // The operator in this process reaches pods by the same addresses as they each other.
      const undo =
        addresses.portsFile === null
          ? () => undefined
          : leadToSingleLoopback(portsFile, join(directory, 'hosts'));
      const names = new ServiceNames(store, directory, options.nameDelayMs ?? 200, logger);
      const claims = new ClaimController(store, join(directory, 'volumes'), logger);
      const runner = new PodRunner({
        store,
        claims,
        addresses,
        programs: options.programs ?? DEFAULT_PROGRAMS,
        directory,
        timings: { ...DEFAULT_TIMINGS, ...options.timings },
        logger,
        environment: (pod) => ({
          SYNCCLUSTER_HOSTS_FILE: names.file,
          ...(addresses.portsFile === null ? {} : { SYNCCLUSTER_PORTS_FILE: addresses.portsFile }),
          SYNCCLUSTER_LOCAL_API: door.url,
          SYNCCLUSTER_LOCAL_TOKEN: door.tokenOf(pod),
        }),
      });
      runner.start();
      const clientDoors = new ClientDoors(store, directory, logger);
      const controllers = [
        clientDoors,
        new StatefulSetController(store, logger),
        new JobController(store, logger),
        new GarbageCollector(store, logger),
        claims,
        names,
        { stop: undo },
      ];
      const watch = { lifetimeMs: options.watchLifetimeMs ?? HOUR_MS, bookmarkMs: 60_000 };
      const kube = new LocalKube(store, OPERATOR, watch);
      const stopGraceMs = options.stopGraceMs ?? 10_000;
      return new LocalRuntime({
        kube,
        store,
        directory,
        lock,
        runner,
        door,
        clientDoors,
        controllers,
        stopGraceMs,
      });
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Ends every pod's process, politely and then not, and answers when none is left. Objects stay. */
  stop(graceMs = this.#stopGraceMs): Promise<void> {
    this.#stopping ??= (async () => {
      for (const part of this.#parts) part.stop();
      await this.#runner.stop(graceMs);
      await this.#door.close();
      this.#lock.release();
    })();
    return this.#stopping;
  }

  /** SIGKILL to every process, at once and without waiting: for a second Ctrl-C. */
  killAll(): void {
    this.#runner.killAll();
    killStrays(this.directory, new Set());
  }

  /** Lets go without ending the pods, as a SIGKILL of this process would. */
  async abandon(): Promise<void> {
    for (const part of this.#parts) part.stop();
    this.#runner.abandon();
    await this.#door.close();
    this.#lock.release();
  }

  /** As `kubectl apply --server-side --force-conflicts` does. Throws a `KubeError` that says what is wrong. */
  applyManifest(object: unknown): { readonly kind: Kind; readonly namespace: string; readonly name: string } {
    const manifest = toJsonObject(object);
    const kind = this.store.kinds.ofObject(manifest);
    if (kind === undefined) {
      throw new KubeError(
        'NotFound',
        `no kind ${String(manifest['kind'])} in ${String(manifest['apiVersion'])} in local mode`,
      );
    }
    const namespace = stringAt(manifest, 'metadata', 'namespace') ?? 'default';
    const metadata = { ...(manifest['metadata'] as object), namespace };
    const applied = this.store.apply(kind, { ...manifest, metadata }, USER);
    return { kind, namespace, name: applied.metadata.name };
  }

  /** False when no process of such a pod runs. */
  killPod(namespace: string, name: string, signal: NodeJS.Signals): boolean {
    return this.#runner.signal(namespace, name, signal);
  }
  /** Null while it does not run. */
  podAddress(namespace: string, name: string): string | null {
    return this.#runner.address(namespace, name)?.host ?? null;
  }
  podPid(namespace: string, name: string): number | null {
    return this.#runner.pid(namespace, name);
  }
  /** Where clients of a Service can go now: its ready pods, with the port of that name or the first. */
  endpoints(namespace: string, service: string, portName?: string): Endpoint[] {
    const found = this.store.get(SERVICES, { namespace, name: service });
    return found === null ? [] : endpointsOf(this.store, found, portName);
  }
  /** Ports of 127.0.0.1 that lead to ready pods of a client Service; null when it has none. */
  clientPorts(namespace: string, service: string): Promise<DoorPorts | null> {
    return this.#clientDoors.portsOf(namespace, service);
  }
  logFile(namespace: string, pod: string): string {
    return join(this.directory, 'logs', namespace, `${pod}.log`);
  }
}

/**
 * Ends what runs for a directory, whether or not its runtime is alive: the runtime first, which ends its pods
 * itself, then what is left. Answers how many pods had to be ended here.
 */
export async function stopLocalRuntime(dir: string, graceMs = 15_000): Promise<number> {
  const directory = resolve(dir);
  if (!existsSync(directory)) return 0;
  const deadline = Date.now() + graceMs;
  const holder = lockHolder(directory);
  if (holder !== null) {
    if (holder.pid === process.pid) throw new Error('this process runs it');
    sendSignal(holder.pid, 'SIGTERM');
    while (lockHolder(directory) !== null) {
      if (Date.now() > deadline) {
        sendSignal(holder.pid, 'SIGKILL');
        break;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  return killStrays(directory, new Set());
}
