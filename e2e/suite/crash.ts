import { ctr } from '../rig/containerd.ts';
import type { Rig } from '../rig/rig.ts';
import type { PodObject } from './kubernetes.ts';

/** The node and the id of a pod's first container. */
function containerOf(pod: PodObject): { readonly node: string; readonly id: string } {
  const id = pod.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '');
  const node = pod.spec.nodeName;
  if (id === undefined || node === undefined) throw new Error(`${pod.metadata.name} does not run`);
  return { node, id };
}

/**
 * Ends a pod's program by SIGKILL, from outside. A pod deleted by force is asked to end first and has a second for it:
 * enough to hand over what it leads, and no crash.
 */
export async function crash(rig: Rig, pod: PodObject): Promise<void> {
  const { node, id } = containerOf(pod);
  await ctr(node, rig.binaries, ['tasks', 'kill', '--signal', 'SIGKILL', id]);
}

/** Of the pod's program, as this machine counts processes. */
export async function processIdOf(rig: Rig, pod: PodObject): Promise<number> {
  const { node, id } = containerOf(pod);
  const tasks = await ctr(node, rig.binaries, ['tasks', 'list']);
  const pid = Number(
    tasks
      .split('\n')
      .find((line) => line.startsWith(id))
      ?.trim()
      .split(/\s+/)[1],
  );
  if (!(pid > 0)) throw new Error(`${pod.metadata.name} has no process`);
  return pid;
}

export function restartsOf(pod: PodObject): number {
  return pod.status.containerStatuses?.[0]?.restartCount ?? 0;
}
