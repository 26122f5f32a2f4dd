import { CLAIMS, PODS, STATEFUL_SETS } from '../api/kinds.ts';
import { withDefaults } from '../api/structural.ts';
import { API_VERSION, SYNC_CLUSTERS, type SyncCluster, SyncClusterSchema } from '../api/syncCluster.ts';
import type { RosterChange } from '../cluster/actions.ts';
import type { GroupStatus, MemberIdentity, MemberStatus, Roster } from '../cluster/memberApi.ts';
import { MemberCallError, type MemberClient } from '../cluster/memberClient.ts';
import { memberSelector, ordinalOf } from '../desired/names.ts';
import { FakeKube } from './fakeKube.ts';

interface Volume {
  memberId: number;
  clusterId: string | null;
  empty: boolean;
  damaged: string | null;
}
interface FakeGroup {
  group: number;
  term: number;
  leader: number;
  voters: { id: number; ordinal: number }[];
  learners: { id: number; ordinal: number }[];
  /** Learners need a few steps to catch up. */
  behind: Map<number, number>;
}
const NAMESPACE = 'test';
export const NAME = 'db';

export function syncCluster(spec: object = {}, annotations: Record<string, string> = {}): SyncCluster {
  return withDefaults(SyncClusterSchema, {
    apiVersion: API_VERSION,
    kind: 'SyncCluster',
    metadata: { name: NAME, namespace: NAMESPACE, annotations },
    spec,
  }) as SyncCluster;
}

/** StatefulSet controller, volumes and Raft members of one cluster, simulated just so far that plans can be carried out. */
export class FakeWorld {
  readonly kube = new FakeKube();
  readonly key = { namespace: NAMESPACE, name: NAME };
  readonly volumes = new Map<string, Volume>();
  readonly down = new Set<number>();
  groups: FakeGroup[] = [];
  roster: Roster = { version: 0, members: [], tombstones: [] };
  clusterId: string | null = null;
  foundings = 0;
  recoveries = 0;
  /** Groups of clusters that were given up: what holds them still may elect, and no more. */
  readonly lost = new Map<string, FakeGroup[]>();
  readonly calls: string[] = [];
  /** Called with each call to a member before it has effect; may throw instead. */
  onCall: (name: string) => void = () => {};
  #nextId = 100;
  #handedOver = new Set<number>();

  createCluster(spec: object = {}): void {
    this.kube.put(syncCluster(spec));
  }
  get cluster(): SyncCluster {
    const cluster = this.kube.peek(SYNC_CLUSTERS, this.key);
    if (cluster === null) throw new Error('no cluster');
    return cluster;
  }
  edit(spec: object): void {
    this.kube.put({ ...this.cluster, spec: { ...this.cluster.spec, ...spec } });
  }
  condition(type: string): { status: string; reason: string } | undefined {
    return this.cluster.status?.conditions?.find((condition) => condition.type === type);
  }
  get replicas(): number {
    return this.kube.peek(STATEFUL_SETS, this.key)?.spec.replicas ?? 1;
  }
  get voterOrdinals(): number[][] {
    return this.groups.map((group) => group.voters.map((voter) => voter.ordinal).sort());
  }

  volumeOf(ordinal: number): Volume | undefined {
    const claim = this.kube.peek(CLAIMS, { namespace: NAMESPACE, name: `data-${NAME}-${ordinal}` });
    return this.volumes.get(claim?.metadata.uid ?? this.#podUid(ordinal) ?? '');
  }
  #podUid(ordinal: number): string | undefined {
    return this.kube.peek(PODS, { namespace: NAMESPACE, name: `${NAME}-${ordinal}` })?.metadata.uid;
  }
  /** As when its node's disk is gone: claim and pod go, and come back empty. */
  loseVolume(ordinal: number): void {
    this.kube.remove(CLAIMS, { namespace: NAMESPACE, name: `data-${NAME}-${ordinal}` });
    this.kube.remove(PODS, { namespace: NAMESPACE, name: `${NAME}-${ordinal}` });
  }

  /** Lets the controllers and members do one thing each. */
  step(): void {
    this.#statefulSetController();
    for (const group of this.groups) this.#raft(group);
    for (const [clusterId, groups] of this.lost) for (const group of groups) this.#elect(group, clusterId);
    this.#readiness();
  }

  #statefulSetController(): void {
    const set = this.kube.peek(STATEFUL_SETS, this.key);
    if (set === null) return;
    const replicas = set.spec.replicas ?? 1;
    const claims = set.spec.volumeClaimTemplates ?? [];
    for (let ordinal = 0; ordinal < replicas; ordinal++) {
      const name = `${NAME}-${ordinal}`;
      let owner: string | undefined;
      for (const template of claims) {
        const claim = { namespace: NAMESPACE, name: `${template.metadata.name}-${name}` };
        const labels = memberSelector(NAME);
        const metadata = { ...claim, labels };
        const live =
          this.kube.peek(CLAIMS, claim) ??
          this.kube.put({
            apiVersion: 'v1',
            kind: 'PersistentVolumeClaim',
            metadata,
            spec: template.spec,
            status: { phase: 'Bound' },
          });
        owner = live.metadata.uid;
      }
      if (this.kube.peek(PODS, { namespace: NAMESPACE, name }) === null) {
        const pod = this.kube.put({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace: NAMESPACE, ...structuredClone(set.spec.template.metadata) },
          spec: set.spec.template.spec,
          status: { phase: 'Running', podIP: `10.0.0.${ordinal}`, conditions: [] },
        });
        this.#handedOver.delete(this.volumeOf(ordinal)?.memberId ?? -1);
        owner ??= pod.metadata.uid;
      }
      owner ??= this.#podUid(ordinal);
      if (owner !== undefined && !this.volumes.has(owner)) {
        this.volumes.set(owner, { memberId: this.#nextId++, clusterId: null, empty: true, damaged: null });
      }
    }
    for (const pod of this.kube.all(PODS)) {
      const ordinal = ordinalOf(pod.metadata.name, NAME);
      if (ordinal !== null && ordinal >= replicas) this.kube.remove(PODS, pod.metadata);
    }
    const observedGeneration = set.metadata.generation;
    if (set.status?.observedGeneration !== observedGeneration)
      this.kube.put({ ...set, status: { observedGeneration } });
  }

  /** Whether the member runs and holds its data, which are that cluster's. */
  runs(id: number, clusterId = this.clusterId): boolean {
    for (const pod of this.kube.all(PODS)) {
      const ordinal = ordinalOf(pod.metadata.name, NAME) ?? -1;
      const volume = this.volumeOf(ordinal);
      if (volume?.memberId === id && volume.clusterId === clusterId)
        return !this.down.has(ordinal) && volume.damaged === null;
    }
    return false;
  }

  /** Whether the group has a leader, and had it before. */
  #elect(group: FakeGroup, clusterId = this.clusterId): boolean {
    const alive = group.voters.filter((voter) => this.runs(voter.id, clusterId));
    if (alive.length <= group.voters.length / 2) {
      group.leader = 0;
      return false;
    }
    if (!alive.some((voter) => voter.id === group.leader) || this.#handedOver.has(group.leader)) {
      const willing = alive.find((voter) => !this.#handedOver.has(voter.id)) ?? alive[0];
      if (willing !== undefined && willing.id !== group.leader) {
        group.leader = willing.id;
        group.term++;
        return false;
      }
    }
    return true;
  }

  #raft(group: FakeGroup): void {
    if (!this.#elect(group)) return;
    this.#changeOneThing(group);
    for (const member of [...group.voters, ...group.learners]) {
      if (this.runs(member.id))
        group.behind.set(member.id, Math.max(0, (group.behind.get(member.id) ?? 0) - 1000));
    }
  }

  #changeOneThing(group: FakeGroup): void {
    const { tombstones, members } = this.roster;
    const data = this.groups.filter(({ group: other }) => other > 0);
    const going = [...group.voters, ...group.learners].filter(
      ({ id }) =>
        tombstones.includes(id) &&
        (group.group > 0 ||
          !data.some((other) => [...other.voters, ...other.learners].some((m) => m.id === id))),
    );
    // In the worst order: the living go first, and a group that is left without a quorum is so for good.
    const gone = going.find(({ id }) => this.runs(id)) ?? going[0];
    if (gone !== undefined) {
      if (gone.id === group.leader) {
        group.leader = group.voters.find((voter) => voter.id !== gone.id && this.runs(voter.id))?.id ?? 0;
        group.term++;
        return;
      }
      group.voters = group.voters.filter(({ id }) => id !== gone.id);
      group.learners = group.learners.filter(({ id }) => id !== gone.id);
      return;
    }
    const present = new Set([...group.voters, ...group.learners].map(({ id }) => id));
    const missing = members.find((member) => !present.has(member.memberId));
    if (missing !== undefined) {
      group.learners.push({ id: missing.memberId, ordinal: missing.ordinal });
      group.behind.set(missing.memberId, 3000);
      const volume = [...this.volumes.values()].find((candidate) => candidate.memberId === missing.memberId);
      if (volume !== undefined) Object.assign(volume, { clusterId: this.clusterId, empty: false });
      return;
    }
    const promoted = group.learners.find(
      ({ id }) =>
        this.runs(id) &&
        group.behind.get(id) === 0 &&
        members.some((member) => member.memberId === id && member.target === 'voter'),
    );
    if (promoted === undefined) return;
    group.learners = group.learners.filter((learner) => learner !== promoted);
    group.voters.push(promoted);
  }

  #readiness(): void {
    for (const pod of this.kube.all(PODS)) {
      const ordinal = ordinalOf(pod.metadata.name, NAME) ?? -1;
      const status = this.statusOf(ordinal)?.ready === true ? 'True' : 'False';
      const was = pod.status?.conditions?.[0]?.status;
      if (was !== status)
        this.kube.put({ ...pod, status: { ...pod.status, conditions: [{ type: 'Ready', status }] } });
    }
  }

  statusOf(ordinal: number): MemberStatus | null {
    const volume = this.volumeOf(ordinal);
    if (volume === undefined || volume.clusterId === null || this.groups.length === 0) return null;
    const { memberId, clusterId } = volume;
    const groups = this.#groupsOf(volume).map((group): GroupStatus => {
      const voter = group.voters.some(({ id }) => id === memberId);
      const learner = group.learners.some(({ id }) => id === memberId);
      const leads = group.leader === memberId;
      const index = 10_000 - (group.behind.get(memberId) ?? 0);
      return {
        group: group.group,
        role: leads ? 'leader' : 'follower',
        membership: voter ? 'voter' : learner ? 'learner' : 'none',
        term: group.term,
        leader: group.leader,
        commit: index,
        applied: index,
        lastIndex: index,
        configuration: structuredClone({ voters: group.voters, learners: group.learners }),
        configurationCommitted: true,
        progress: leads
          ? [...group.voters, ...group.learners].map(({ id }) => ({
              id,
              match: 10_000 - (group.behind.get(id) ?? 0),
              active: this.runs(id),
            }))
          : [],
      };
    });
    const ready =
      groups.every((group) => group.membership === 'voter' && group.leader !== 0) && volume.damaged === null;
    return {
      memberId,
      ordinal,
      clusterId,
      version: '1',
      ready,
      notReadyReason: ready ? null : 'not yet',
      freeBytes: 1,
      groups,
      roster: structuredClone(this.roster),
    };
  }

  #groupsOf({ clusterId }: Volume): readonly FakeGroup[] {
    return clusterId === this.clusterId ? this.groups : (this.lost.get(clusterId ?? '') ?? []);
  }

  readonly client: MemberClient = {
    identity: async (address) => {
      const { ordinal, volume } = this.#at(address);
      const { memberId, clusterId, empty, damaged } = volume;
      const groups = (empty ? [] : this.#groupsOf(volume)).map(({ group, leader, term, voters }) => ({
        group,
        leader,
        lastTerm: term,
        lastIndex: 10_000,
        voters: structuredClone(voters),
      }));
      return { memberId, clusterId, empty, damaged, ordinal, version: '1', groups } satisfies MemberIdentity;
    },
    status: async (address) => this.statusOf(this.#at(address).ordinal),
    bootstrap: async (address, clusterId, shards) => {
      this.#call('bootstrap');
      const { ordinal, volume } = this.#at(address);
      if (volume.clusterId === clusterId && !volume.empty) return;
      if (volume.clusterId !== null || !volume.empty) throw new MemberCallError('CONFLICT', 'has data');
      Object.assign(volume, { clusterId, empty: false });
      this.clusterId = clusterId;
      this.foundings++;
      this.roster = {
        version: 1,
        members: [{ memberId: volume.memberId, ordinal, target: 'voter' }],
        tombstones: [],
      };
      this.groups = Array.from({ length: shards + 1 }, (_, group) => ({
        group,
        term: 1,
        leader: volume.memberId,
        voters: [{ id: volume.memberId, ordinal }],
        learners: [],
        behind: new Map(),
      }));
    },
    changeRoster: async (_address, expectedVersion, changes) => {
      this.#call('changeRoster');
      if (expectedVersion !== this.roster.version) throw new MemberCallError('CONFLICT', 'stale');
      return this.#change(changes);
    },
    handover: async (address) => {
      this.#call('handover');
      this.#handedOver.add(this.#at(address).volume.memberId);
      return [];
    },
    reset: async (address, memberId) => {
      this.#call('reset');
      const { volume } = this.#at(address);
      if (volume.memberId !== memberId) throw new MemberCallError('CONFLICT', 'another id');
      Object.assign(volume, { memberId: this.#nextId++, clusterId: null, empty: true, damaged: null });
    },
    recover: async (address, memberId, clusterId, newClusterId) => {
      this.#call('recover');
      const { ordinal, volume } = this.#at(address);
      if (volume.memberId !== memberId) throw new MemberCallError('CONFLICT', 'another id');
      if (volume.clusterId === newClusterId) return;
      const whole = !volume.empty && volume.damaged === null && volume.clusterId === clusterId;
      const groups = this.#groupsOf(volume);
      if (!whole || groups.every((group) => group.leader !== 0)) {
        throw new MemberCallError('CONFLICT', 'no survivor');
      }
      this.lost.set(
        clusterId,
        groups.map((group) => ({ ...group, leader: 0 })),
      );
      Object.assign(volume, { clusterId: newClusterId });
      this.clusterId = newClusterId;
      this.recoveries++;
      const gone = this.roster.members.map((member) => member.memberId).filter((id) => id !== memberId);
      this.roster = {
        version: this.roster.version + 1,
        members: [{ memberId, ordinal, target: 'voter' }],
        tombstones: [...this.roster.tombstones, ...gone],
      };
      this.groups = this.groups.map(({ group, term }) => ({
        group,
        term: term + 1,
        leader: 0,
        voters: [{ id: memberId, ordinal }],
        learners: [],
        behind: new Map(),
      }));
    },
    close: async () => {},
  };

  #change(changes: readonly RosterChange[]): number {
    const members = new Map(this.roster.members.map((member) => [member.memberId, member]));
    const tombstones = new Set(this.roster.tombstones);
    for (const change of changes) {
      if (tombstones.has(change.memberId)) throw new MemberCallError('CONFLICT', 'removed for ever');
      if (change.target === 'removed') {
        if (!members.delete(change.memberId)) throw new MemberCallError('NOT_FOUND', 'unknown');
        tombstones.add(change.memberId);
      } else members.set(change.memberId, { ...change });
    }
    const ordinals = [...members.values()].map((member) => member.ordinal);
    if (new Set(ordinals).size !== ordinals.length)
      throw new MemberCallError('CONFLICT', 'one ordinal, two members');
    this.roster = {
      version: this.roster.version + 1,
      members: [...members.values()],
      tombstones: [...tombstones],
    };
    return this.roster.version;
  }
  #call(name: string): void {
    this.calls.push(name);
    this.onCall(name);
  }
  #at(address: string): { ordinal: number; volume: Volume } {
    const ordinal = Number(/^10\.0\.0\.(\d+):7403$/.exec(address)?.[1] ?? -1);
    const volume = this.volumeOf(ordinal);
    if (this.down.has(ordinal) || this.#podUid(ordinal) === undefined || volume === undefined) {
      throw new MemberCallError('UNREACHABLE', address);
    }
    return { ordinal, volume };
  }
}
