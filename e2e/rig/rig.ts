import { mkdirSync } from 'node:fs';
import { unableReason } from './able.ts';
import { makeCertificates, writeKubeconfig } from './certificates.ts';
import { clusterObjects } from './clusterObjects.ts';
import { run } from './command.ts';
import { waitUntil } from './condition.ts';
import { startContainerd } from './containerd.ts';
import { startApiServer, startControllers, startEtcd } from './controlPlane.ts';
import { installPackages } from './debian.ts';
import { startDns } from './dns.ts';
import { bringDown } from './down.ts';
import { collectEvidence } from './evidence.ts';
import { exclusively } from './exclusive.ts';
import { recordForeignPaths } from './foreignPaths.ts';
import { type Binaries, buildBinaries } from './goBuild.ts';
import { baseImage, busyboxImage, loadImage } from './images.ts';
import { recordKernelSettings } from './kernelSettings.ts';
import { startKubelet } from './kubelet.ts';
import { makeNetwork } from './network.ts';
import { startNode, stopKubelet, stopNode, stoppedNodes } from './node.ts';
import { AUDIT_LOG, KUBECONFIG, STATE_DIR } from './paths.ts';
import { isRunning, recordedNames } from './processes.ts';
import type { Report } from './progress.ts';
import { isComplete, markComplete, type RigRecord, readRecord, writeRecord } from './record.ts';
import { startServiceProxy } from './serviceProxy.ts';
import { NODES } from './settings.ts';
import { linkTools } from './tools.ts';
import { startVolumeProvisioner } from './volumes.ts';

/** A running Kubernetes of two nodes, `node1` in `zone-a` and `node2` in `zone-b`. */
export interface Rig {
  /** Of an administrator. */
  readonly kubeconfig: string;
  /** Name → path: kubectl, helm, etcdctl, ctr and the programs of Kubernetes. */
  readonly binaries: Binaries;
  /** One JSON object per line: every request but those of the control plane. */
  readonly auditLog: string;
  /** OCI archive of the image that the project's images are built from. */
  readonly baseImage: string;
  /** Runs kubectl and gives its output. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** Puts the image of an OCI archive into both nodes. */
  loadImage(archive: string): Promise<void>;
  /** Cuts the power of a node. */
  stopNode(name: string): Promise<void>;
  /** Ends a node's kubelet alone; its containers go on. */
  stopKubelet(name: string): Promise<void>;
  startNode(name: string): Promise<void>;
  /** Keeps logs, events and objects in one folder and gives its path. */
  collectEvidence(): Promise<string>;
}

/** The rig if it runs, whoever started it. */
export function runningRig(): Rig | null {
  const record = readRecord();
  if (record === null || !isComplete()) return null;
  return recordedNames().every((name) => isRunning(name)) ? open(record) : null;
}

function open({ binaries, baseImage: base }: RigRecord): Rig {
  const kubectl = binaries['kubectl']!;
  return {
    kubeconfig: KUBECONFIG,
    binaries,
    auditLog: AUDIT_LOG,
    baseImage: base,
    kubectl: (args, stdin) =>
      run(kubectl, ['--kubeconfig', KUBECONFIG, ...args], stdin === undefined ? {} : { stdin }),
    loadImage: (archive) => loadImage(archive, binaries),
    stopNode,
    stopKubelet,
    startNode: (name) => startNode(name, binaries),
    collectEvidence: () => collectEvidence(kubectl),
  };
}

/** Starts the rig unless it runs. A start that fails leaves nothing running and says where it left the reasons. */
export function bringUp(report: Report): Promise<Rig> {
  const unable = unableReason();
  if (unable !== null) throw new Error(`${unable}; or set KUBECONFIG`);
  return exclusively(async () => {
    const running = runningRig();
    if (running !== null) {
      report('already running');
      linkTools(running.binaries);
      await startStoppedNodes(running, report);
      return running;
    }
    await installPackages(report);
    const binaries = await buildBinaries(report);
    const busybox = await busyboxImage(report);
    const record: RigRecord = { binaries, baseImage: await baseImage(report) };
    await bringDown(report); // What a crashed one left.
    try {
      await startAll(record, busybox, report);
    } catch (error) {
      const evidence = await collectEvidence(binaries['kubectl']!);
      report(`failed: logs, events and objects are in ${evidence}`);
      await bringDown(report);
      throw error;
    }
    markComplete();
    return open(record);
  });
}

/** For a test that ended with a node off. */
async function startStoppedNodes(rig: Rig, report: Report): Promise<void> {
  const stopped = stoppedNodes();
  for (const name of stopped) {
    report(`starting ${name} again`);
    await rig.startNode(name);
  }
  if (stopped.length > 0)
    await waitUntil('both nodes', () => nodesReady((...args) => rig.kubectl(args)), NODE_WAIT);
}

async function startAll(record: RigRecord, busybox: string, report: Report): Promise<void> {
  const { binaries } = record;
  mkdirSync(STATE_DIR, { recursive: true, mode: 0o711 });
  writeRecord(record);
  linkTools(binaries);
  recordForeignPaths();
  recordKernelSettings();
  await makeNetwork();
  await makeCertificates();
  writeKubeconfig(KUBECONFIG, 'admin');

  report('starting etcd, kube-apiserver and containerd');
  const containers = Promise.all(
    NODES.map(async ({ name }) => {
      await startContainerd(name, binaries);
      await loadImage(busybox, binaries, [name]);
    }),
  );
  containers.catch(() => {}); // Awaited below; a failure must not go unhandled until then.
  await startEtcd(binaries);
  await startApiServer(binaries);

  report('starting controllers, scheduler, kubelets, kube-proxy, CoreDNS and the volume provisioner');
  startControllers(binaries);
  await containers;
  for (const node of NODES) startKubelet(node, binaries);
  const proxy = startServiceProxy(binaries);
  proxy.catch(() => {});
  const kubectl = (...args: string[]): Promise<string> =>
    run(binaries['kubectl']!, ['--kubeconfig', KUBECONFIG, ...args], { timeoutMs: 60_000 });
  await run(binaries['kubectl']!, ['--kubeconfig', KUBECONFIG, 'apply', '-f', '-'], {
    stdin: clusterObjects(),
  });
  startVolumeProvisioner(binaries);
  await Promise.all([
    proxy,
    startDns(binaries),
    waitUntil('both nodes', () => nodesReady(kubectl), NODE_WAIT),
    // Pods are refused until it is there.
    waitUntil(
      'the service account of the default namespace',
      () => exists(kubectl, 'serviceaccount/default'),
      {
        timeoutMs: 60_000,
        intervalMs: 300,
      },
    ),
  ]);
}

const NODE_WAIT = { timeoutMs: 60_000, intervalMs: 300 };

type Kubectl = (...args: string[]) => Promise<string>;

async function nodesReady(kubectl: Kubectl): Promise<boolean> {
  const jsonpath = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const ready = await kubectl('get', 'nodes', '-o', `jsonpath=${jsonpath}`);
  return ready.split('\n').filter((status) => status === 'True').length === NODES.length;
}

async function exists(kubectl: Kubectl, object: string): Promise<boolean> {
  return (await kubectl('get', object, '--ignore-not-found', '-o', 'name')) !== '';
}
