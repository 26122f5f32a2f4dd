import { rmSync } from 'node:fs';
import { containerdOf, startContainerd } from './containerd.ts';
import type { Binaries } from './goBuild.ts';
import { kubeletOf, startKubelet } from './kubelet.ts';
import { endContainers, unmountBelow } from './leftovers.ts';
import { nodePaths } from './paths.ts';
import { isRunning, stop } from './processes.ts';
import { NODES, nodeNamed } from './settings.ts';

/** Cuts a node's power: kubelet, containerd and every container of it end at once, and nobody tells the API server. */
export async function stopNode(name: string): Promise<void> {
  nodeNamed(name);
  await Promise.all([stop(kubeletOf(name), 'SIGKILL'), stop(containerdOf(name), 'SIGKILL')]);
  await endContainers(name);
  const { root, containerdRun, runcRoot } = nodePaths(name);
  await unmountBelow(root);
  // What a machine keeps in memory.
  for (const path of [containerdRun, runcRoot]) rmSync(path, { recursive: true, force: true });
}

/** Ends a node's kubelet alone: its containers go on, and nobody tells the API server of them. */
export async function stopKubelet(name: string): Promise<void> {
  nodeNamed(name);
  await stop(kubeletOf(name), 'SIGKILL');
}

/** Nodes whose kubelet was stopped or whose power was cut. */
export function stoppedNodes(): string[] {
  return NODES.map(({ name }) => name).filter((name) => !isRunning(kubeletOf(name)));
}

/** Lets a node whose kubelet or power is off come back with its disk as it was. */
export async function startNode(name: string, binaries: Binaries): Promise<void> {
  const node = nodeNamed(name);
  if (!isRunning(containerdOf(name))) await startContainerd(name, binaries);
  startKubelet(node, binaries);
}
