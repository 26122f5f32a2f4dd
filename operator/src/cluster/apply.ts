import type { ConfigMap } from '../api/kinds.ts';
import { CONFIG_MAPS, PODS, STATEFUL_SETS } from '../api/kinds.ts';
import { buildIdentity } from '../desired/clusterObjects.ts';
import { clusterNames } from '../desired/names.ts';
import type { KubePort } from '../runtime/kube.ts';
import type { Action } from './actions.ts';
import type { MemberClient } from './memberClient.ts';
import { adminAddress } from './observe.ts';
import type { ObservedCluster } from './observed.ts';

export interface ApplyContext {
  readonly kube: KubePort;
  readonly client: MemberClient;
  /** Random, for a cluster that is to be founded. */
  readonly newClusterId: () => string;
  readonly onPassedOver: (action: Action, error: unknown) => void;
}

/**
 * Carries out the actions in order. The first that fails ends the pass, for later ones may rest on it; what may
 * fail alone is told and passed over. Throws what ended the pass.
 */
export async function applyActions(
  context: ApplyContext,
  observed: ObservedCluster,
  actions: readonly Action[],
): Promise<void> {
  for (const action of actions) {
    try {
      await applyAction(context, observed, action);
    } catch (error) {
      if (action.type !== 'apply' || !action.mayFail) throw error;
      context.onPassedOver(action, error);
    }
  }
}

async function applyAction(
  { kube, client, newClusterId }: ApplyContext,
  observed: ObservedCluster,
  action: Action,
): Promise<void> {
  const { cluster } = observed;
  const { namespace, name } = cluster.metadata;
  const tell = (reason: string, note: string, type: 'Normal' | 'Warning' = 'Normal') =>
    kube.event({ regarding: cluster, type, reason, action: actionName(action), note });
  switch (action.type) {
    case 'apply': {
      await kube.apply(action.resource, action.object);
      return tell('Applied', `applied ${action.resource.kind} ${action.object.metadata.name}`);
    }
    case 'delete': {
      await kube.delete(action.resource, { namespace, name: action.name }, { uid: action.uid });
      return tell('Deleted', `deleted ${action.resource.kind} ${action.name}: ${action.why}`);
    }
    case 'scale': {
      const key = { namespace, name: clusterNames.statefulSet(name) };
      await kube.scale(STATEFUL_SETS, key, action.replicas, { resourceVersion: action.resourceVersion });
      return tell('Scaled', `pods ${action.from} → ${action.replicas}: ${action.why}`);
    }
    case 'createIdentity': {
      const clusterId = action.adopt ?? newClusterId();
      await kube.create(CONFIG_MAPS, buildIdentity(cluster, clusterId, action.founder));
      return tell(
        'IdentityRecorded',
        `${action.adopt === null ? 'new cluster' : 'adopted cluster'} ${clusterId}`,
      );
    }
    case 'discardIdentity': {
      await kube.delete(CONFIG_MAPS, { namespace, name: clusterNames.identity(name) }, { uid: action.uid });
      return tell('StartingAnew', `cluster ${action.clusterId} is given up: ${action.why}`, 'Warning');
    }
    case 'replaceIdentity': {
      const clusterId = newClusterId();
      const { recovery, uid } = action;
      await replaceIdentity(kube, observed, uid, buildIdentity(cluster, clusterId, null, recovery));
      return tell('RecoveryRecorded', `${action.why}; its new id is ${clusterId}`, 'Warning');
    }
    case 'restoreIdentity': {
      await replaceIdentity(kube, observed, action.uid, buildIdentity(cluster, action.clusterId, null));
      return tell('RecoveryAbandoned', action.why);
    }
    case 'recover': {
      const { ordinal, memberId, from, to } = action;
      await client.recover(addressOf(observed, ordinal), memberId, from, to);
      const note = `member ${ordinal} goes on alone as cluster ${to}; what it never had of ${from} is lost`;
      return tell('SurvivorTold', note, 'Warning');
    }
    case 'bootstrap': {
      await client.bootstrap(addressOf(observed, action.ordinal), action.clusterId, action.shards);
      return tell('Founded', `founded cluster ${action.clusterId} on member ${action.ordinal}`);
    }
    case 'changeRoster': {
      await changeRoster(client, observed, action);
      return tell('MembershipChanging', action.why);
    }
    case 'handover': {
      const remaining = await client.handover(addressOf(observed, action.ordinal));
      const left = remaining.length === 0 ? '' : `; still leads group ${remaining.join(', ')}`;
      return tell('LeadershipMoved', `member ${action.ordinal} hands over, ${action.why}${left}`);
    }
    case 'reset': {
      await client.reset(addressOf(observed, action.ordinal), action.memberId);
      return tell('VolumeSetAside', `member ${action.ordinal} starts empty: ${action.why}`, 'Warning');
    }
    case 'deletePod': {
      await kube.delete(PODS, { namespace, name: action.name }, { uid: action.uid });
      return tell('MemberRestarted', `deleted pod ${action.name}: ${action.why}`);
    }
  }
}

/**
 * An immutable object is changed by another in its place. Without either, volumes that hold a cluster are adopted: as
 * nobody was told of the new id yet, that brings the old one back.
 */
async function replaceIdentity(
  kube: KubePort,
  { cluster }: ObservedCluster,
  uid: string,
  next: ConfigMap,
): Promise<void> {
  const { namespace, name } = cluster.metadata;
  await kube.delete(CONFIG_MAPS, { namespace, name: clusterNames.identity(name) }, { uid });
  await kube.create(CONFIG_MAPS, next);
}

/** Any member forwards to the leader; the leader itself saves the hop. */
async function changeRoster(
  client: MemberClient,
  observed: ObservedCluster,
  action: Extract<Action, { type: 'changeRoster' }>,
): Promise<void> {
  const clusterId = observed.identity?.clusterId;
  const admitted = observed.members.filter((member) => member.status?.clusterId === clusterId);
  const leader = admitted.find((member) =>
    member.status?.groups.some(({ group, role }) => group === 0 && role === 'leader'),
  );
  const through = leader ?? admitted[0];
  if (through === undefined) throw new Error('no member of the cluster answers');
  await client.changeRoster(addressOf(observed, through.ordinal), action.expectedVersion, action.changes);
}

function addressOf(observed: ObservedCluster, ordinal: number): string {
  const pod = observed.pods.find((candidate) => candidate.ordinal === ordinal);
  const address = pod === undefined ? null : adminAddress(pod);
  if (address === null) throw new Error(`member ${ordinal} has no address`);
  return address;
}

function actionName(action: Action): string {
  return action.type.charAt(0).toUpperCase() + action.type.slice(1);
}
