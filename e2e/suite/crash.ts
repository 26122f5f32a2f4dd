import { ctr } from '../rig/containerd.ts';
import type { Rig } from '../rig/rig.ts';
import type { PodObject } from './kubernetes.ts';

/**
 * Ends a pod's program by SIGKILL, from outside. A pod deleted by force is asked to end first and has a second for it:
 * enough to hand over what it leads, and no crash.
 */
export async function crash(rig: Rig, pod: PodObject): Promise<void> {
  const id = pod.status.containerStatuses?.[0]?.containerID?.replace('containerd://', '');
  const node = pod.spec.nodeName;
  if (id === undefined || node === undefined) throw new Error(`${pod.metadata.name} does not run`);
  await ctr(node, rig.binaries, ['tasks', 'kill', '--signal', 'SIGKILL', id]);
}

export function restartsOf(pod: PodObject): number {
  return pod.status.containerStatuses?.[0]?.restartCount ?? 0;
}
