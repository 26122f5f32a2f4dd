import { readFileSync } from 'node:fs';
import { waitUntil } from '../rig/condition.ts';
import { identity, isAlive, type ProcessIdentity } from '../rig/processIdentity.ts';
import type { Rig } from '../rig/rig.ts';
import { processIdOf } from './crash.ts';
import { isReady, type ListedObject, type Namespace, type PodObject } from './kubernetes.ts';
import { OPERATOR } from './operator.ts';

export const LEASE = 'lease/synccluster-operator';
/** How many the chart has run by default. */
const REPLICAS = 2;
const SETTLE = { timeoutMs: 120_000, intervalMs: 300 };

export interface LeaseObject extends ListedObject {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds: number;
    readonly leaseTransitions: number;
    /** RFC 3339. */
    readonly renewTime: string;
    readonly acquireTime: string;
  };
}

/** The operator that works, as a process of this machine. */
export interface LeadingOperator {
  readonly pod: PodObject;
  readonly process: ProcessIdentity;
  /** Name of the pod that stands by. */
  readonly standby: string;
}

/** Both operators ready, one of them working. */
export async function leadingOperator(rig: Rig, system: Namespace): Promise<LeadingOperator> {
  let leading: PodObject | undefined;
  let standby: PodObject | undefined;
  await waitUntil(
    'two operators of which one works',
    async () => {
      const pods = await system.list<PodObject>('pods', OPERATOR);
      const working = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const { holderIdentity } = (await system.get<LeaseObject>(LEASE)).spec;
      leading = working.find(({ metadata }) => metadata.name === holderIdentity);
      standby = working.find((pod) => pod !== leading);
      return working.length === REPLICAS && working.every(isReady) && leading !== undefined;
    },
    SETTLE,
  );
  const pod = leading!;
  return { pod, process: identity(await processId(rig, pod)), standby: standby!.metadata.name };
}

async function processId(rig: Rig, pod: PodObject): Promise<number> {
  const pid = await processIdOf(rig, pod);
  // Whatever is at that number, nothing but an operator is ever killed.
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('synccluster-operator'))
    throw new Error(`process ${pid} is no operator`);
  return pid;
}

/** SIGKILL, this very moment; resolves once nothing of it runs any more. */
export async function killNow({ process: victim }: LeadingOperator): Promise<void> {
  if (isAlive(victim)) process.kill(victim.pid, 'SIGKILL');
  await waitUntil('the end of the operator', () => !isAlive(victim), { timeoutMs: 10_000, intervalMs: 1 });
}

/** Its pod goes too: the kubelet would start the program again under the name that still holds the lease. */
export async function removePod(system: Namespace, { pod }: Pick<LeadingOperator, 'pod'>): Promise<void> {
  const now = ['--grace-period=0', '--force', '--ignore-not-found', '--wait=false'];
  await system.kubectl(['delete', `pod/${pod.metadata.name}`, ...now]);
}

/**
 * The operators as after an installation: one that was killed is waited for longer before each restart, so it makes
 * way for a new pod. It hands over what it leads.
 */
export async function replaceKilled(system: Namespace, { pod }: Pick<LeadingOperator, 'pod'>): Promise<void> {
  await system.kubectl(['delete', `pod/${pod.metadata.name}`, '--ignore-not-found', '--wait=false']);
}
