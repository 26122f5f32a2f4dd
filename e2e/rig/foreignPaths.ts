import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { CRI_NAMESPACE } from './containerd.ts';
import { STATE_DIR } from './paths.ts';

/** Outside the rig's folder, by paths that are fixed in containerd, its network library and the kubelet. */
const FOREIGN_PATHS = [
  '/run/containerd',
  '/run/netns',
  '/var/lib/cni',
  '/var/log/containers',
  '/var/lib/kubelet',
];
const RECORD = join(STATE_DIR, 'foreign-paths.json');
const POD_LOG_LINKS = '/var/log/containers';

/** Notes which of them are not there yet, so that they can be removed in the end. */
export function recordForeignPaths(): void {
  writeFileSync(RECORD, JSON.stringify(FOREIGN_PATHS.filter((path) => !existsSync(path))));
}

export function removeForeignPaths(): void {
  let absent: string[];
  try {
    absent = JSON.parse(readFileSync(RECORD, 'utf8')) as string[];
  } catch {
    absent = [];
  }
  for (const path of absent) rmSync(path, { recursive: true, force: true });
  removePodLogLinks();
  removeControlGroups();
}

/** Where the folder belongs to another kubelet, only the links into the rig's own folder go. */
function removePodLogLinks(): void {
  if (!existsSync(POD_LOG_LINKS)) return;
  for (const name of readdirSync(POD_LOG_LINKS)) {
    const link = join(POD_LOG_LINKS, name);
    if (lstatSync(link).isSymbolicLink() && readlinkSync(link).startsWith(`${STATE_DIR}/`)) rmSync(link);
  }
  if (readdirSync(POD_LOG_LINKS).length === 0) rmdirSync(POD_LOG_LINKS);
}

const CONTROL_GROUPS = '/sys/fs/cgroup';

/** The groups that containers' own groups were in: one per controller in version 1, one in version 2. */
function removeControlGroups(): void {
  for (const parent of [
    CONTROL_GROUPS,
    ...readdirSync(CONTROL_GROUPS).map((name) => join(CONTROL_GROUPS, name)),
  ]) {
    try {
      // Refused by the kernel while anybody's container is in it.
      rmdirSync(join(parent, CRI_NAMESPACE));
    } catch {
      // Not there, or not ours alone.
    }
  }
}
