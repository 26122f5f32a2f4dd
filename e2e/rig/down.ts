import { existsSync, rmSync } from 'node:fs';
import { removeForeignPaths } from './foreignPaths.ts';
import { restoreKernelSettings } from './kernelSettings.ts';
import { endContainers, unmountBelow } from './leftovers.ts';
import { removeNetwork } from './network.ts';
import { STATE_DIR } from './paths.ts';
import { recordedNames, stop } from './processes.ts';
import type { Report } from './progress.ts';
import { readRecord } from './record.ts';
import { removeServiceChains } from './serviceChains.ts';
import { NODES } from './settings.ts';

/**
 * Takes away all that a start brought, however far it came and however it ended. Each step finds what there is by
 * itself, so a second run finishes what a first one could not.
 */
export async function bringDown(report: Report): Promise<void> {
  if (!existsSync(STATE_DIR)) {
    await removeNetwork();
    return;
  }
  report('ending what runs');
  const names = recordedNames();
  // Kubelets first: they would start anew what ends. containerd last: its shims talk to it.
  await endAll(names.filter((name) => name.startsWith('kubelet-')));
  await Promise.all(NODES.map(({ name }) => endContainers(name)));
  await endAll(names);
  // A container that was just being made when its kubelet ended.
  await Promise.all(NODES.map(({ name }) => endContainers(name)));
  await unmountBelow(STATE_DIR);
  await removeServiceChains(readRecord()?.binaries['kube-proxy'] ?? null);
  await removeNetwork();
  restoreKernelSettings();
  removeForeignPaths();
  rmSync(STATE_DIR, { recursive: true, force: true });
}

async function endAll(names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => stop(name, 'SIGKILL')));
}
