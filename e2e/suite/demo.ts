import { expect } from 'vitest';
import { waitUntil } from '../rig/condition.ts';
import type { Report } from '../rig/progress.ts';
import type { GroupTruth } from './client/answers.ts';
import type { ClientPod } from './clientPod.ts';
import {
  type ClusterObject,
  type Condition,
  conditionOf,
  isReady,
  type ListedObject,
  type Namespace,
  type PodObject,
} from './kubernetes.ts';

/** By its full name: `sc` is a StorageClass to kubectl. */
export const DEMO = 'syncclusters.synccluster.io/demo';
export const SETTLE = { timeoutMs: 240_000, intervalMs: 300 };
/** Selects the pods of its members. */
export const MEMBERS = 'app.kubernetes.io/instance=demo,app.kubernetes.io/component=member';

/** The sample's, the first of them for what concerns the whole. */
const GROUPS = 4;

const names = (objects: readonly ListedObject[]): string[] =>
  objects.map(({ metadata }) => metadata.name).sort();
const ordinals = (count: number): number[] => Array.from({ length: count }, (_, ordinal) => ordinal);

/** The sample's SyncCluster, and what there should be of it. */
export class Demo {
  readonly #space: Namespace;
  readonly #client: ClientPod;
  readonly #report: Report;

  constructor(space: Namespace, client: ClientPod, report: Report) {
    this.#space = space;
    this.#client = client;
    this.#report = report;
  }

  async settled(members: number): Promise<void> {
    let shown = '';
    await waitUntil(
      `a settled cluster of ${members}`,
      async () => {
        const demo = await this.#space.get<ClusterObject>(DEMO);
        const progressing = conditionOf(demo, 'Progressing');
        const line = `${demo.status?.readyReplicas ?? 0} ready, ${progressing?.reason}: ${progressing?.message}`;
        if (line !== shown) this.#report(line);
        shown = line;
        return (
          demo.status?.observedGeneration === demo.metadata.generation &&
          demo.status?.replicas === members &&
          demo.status.readyReplicas === members &&
          conditionOf(demo, 'Available')?.status === 'True' &&
          conditionOf(demo, 'Degraded')?.status === 'False' &&
          progressing?.status === 'False'
        );
      },
      SETTLE,
    );
  }

  /** Waits until the operator says that it is at something; asks as fast as it can, for that may be short. */
  async progressing(reason: string): Promise<void> {
    await waitUntil(
      reason,
      async () => conditionOf(await this.#space.get<ClusterObject>(DEMO), 'Progressing')?.reason === reason,
      { timeoutMs: 60_000, intervalMs: 1 },
    );
  }

  /** Waits until a condition tells this, as True or False, and gives its message. */
  async tells(type: string, status: 'True' | 'False', reason: string, timeoutMs = 60_000): Promise<string> {
    let last: Condition | undefined;
    await waitUntil(
      `${type}=${status}, reason ${reason}`,
      async () => {
        last = conditionOf(await this.#space.get<ClusterObject>(DEMO), type);
        return last?.status === status && last.reason === reason;
      },
      { timeoutMs, intervalMs: 300 },
    ).catch((error: unknown) => {
      throw new Error(`${type} is ${last?.status}, ${last?.reason}: ${last?.message}`, { cause: error });
    });
    this.#report(`${type}=${status}, ${reason}: ${last?.message}`);
    return last?.message ?? '';
  }

  /** The row that `kubectl get` prints of it. */
  async printed(): Promise<Record<string, string>> {
    const printed = await this.#space.printed(DEMO);
    this.#report(
      Object.entries(printed)
        .map(([head, cell]) => `${head}=${cell}`)
        .join(' '),
    );
    return printed;
  }

  pods(): Promise<PodObject[]> {
    return this.#space.list<PodObject>('pods', MEMBERS);
  }

  /** What `kubectl get` prints, against pods and what the members themselves answer. */
  async check(members: number): Promise<void> {
    await this.settled(members);
    const pods = await this.pods();
    expect(names(pods)).toEqual(ordinals(members).map((ordinal) => `demo-${ordinal}`));
    expect(pods.filter(isReady)).toHaveLength(members);

    let groups: readonly GroupTruth[] = [];
    await waitUntil(
      'a leader of each group, as the members say',
      async () => {
        groups = await this.#client.groups(members);
        return groups.length === GROUPS;
      },
      { timeoutMs: 20_000, intervalMs: 300 },
    );
    for (const { voters, learners } of groups) {
      expect(voters).toEqual(ordinals(members));
      expect(learners).toEqual([]);
    }
    const printed = await this.printed();
    expect(printed).toMatchObject({
      NAME: 'demo',
      MEMBERS: String(members),
      READY: String(members),
      AVAILABLE: 'True',
      STATE: 'Settled',
    });
    expect(printed['AGE']).toMatch(/^\d+[smhd]/);
    // Leaderships are spread anew after each change, and the status follows what was observed.
    await waitUntil(
      'the printed leader to be the one that leads',
      async () => {
        const leader = (await this.#client.groups(members)).find(({ group }) => group === 0)?.leader;
        return (await this.#space.printed(DEMO))['LEADER'] === `demo-${leader}`;
      },
      { timeoutMs: 60_000, intervalMs: 500 },
    );
  }

  /** The volumes of these members, and no other. */
  async claimsOf(members: number): Promise<void> {
    const claims = async (): Promise<string[]> => names(await this.#space.list('persistentvolumeclaims'));
    await waitUntil(
      'the volumes of removed members to be gone',
      async () => (await claims()).length <= members,
      SETTLE,
    );
    expect(await claims()).toEqual(ordinals(members).map((ordinal) => `data-demo-${ordinal}`));
  }
}
