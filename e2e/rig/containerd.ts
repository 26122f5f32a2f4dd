import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.ts';
import { waitUntil } from './condition.ts';
import type { Binaries } from './goBuild.ts';
import { CNI_CONFIG_DIR } from './network.ts';
import { type NodePaths, nodePaths } from './paths.ts';
import { hasEnded, start } from './processes.ts';
import { BUSYBOX_IMAGE } from './settings.ts';

/** The namespace of containerd that kubelets use. */
export const CRI_NAMESPACE = 'k8s.io';
const CNI_PLUGINS = '/usr/lib/cni';

export const containerdOf = (node: string): string => `containerd-${node}`;

/** One containerd per node: two kubelets on one would end each other's pods as unknown. */
export async function startContainerd(node: string, binaries: Binaries): Promise<void> {
  const paths = nodePaths(node);
  mkdirSync(paths.root, { recursive: true });
  const config = join(paths.root, 'containerd.toml');
  writeFileSync(config, configuration(paths));
  const path = binaries['containerd']!;
  // The shim is looked for beside containerd; runc and mount are the machine's.
  const env = { PATH: `${dirname(path)}:${process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin'}` };
  start({ name: containerdOf(node), path, args: ['--config', config], env });
  await waitUntil(`containerd of ${node}`, () => ctrAnswers(node, binaries), {
    timeoutMs: 30_000,
    hopeless: () => hasEnded(containerdOf(node)),
  });
}

async function ctrAnswers(node: string, binaries: Binaries): Promise<boolean> {
  await ctr(node, binaries, ['version']);
  return true;
}

export function ctr(node: string, binaries: Binaries, args: readonly string[]): Promise<string> {
  return run(binaries['ctr']!, [
    '--address',
    nodePaths(node).containerdSocket,
    '--namespace',
    CRI_NAMESPACE,
    ...args,
  ]);
}

function configuration(paths: NodePaths): string {
  return `version = 3
root = '${paths.containerd}'
state = '${paths.containerdRun}'
# It listens on a path that all containerds of a machine share.
disabled_plugins = ['io.containerd.nri.v1.nri']

[grpc]
  address = '${paths.containerdSocket}'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${BUSYBOX_IMAGE}'

[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE no process may get a better score than this one has, and every sandbox would fail.
  restrict_oom_score_adj = true
  # Below the node's folder they are found and unmounted in the end.
  netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['${CNI_PLUGINS}']
  conf_dir = '${CNI_CONFIG_DIR}'
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
  Root = '${paths.runcRoot}'
`;
}
