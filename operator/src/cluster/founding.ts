import { ANNOTATIONS } from '../desired/names.ts';
import { blocked, doing, NOTHING, type Step } from './actions.ts';
import { memberAt } from './groups.ts';
import type { MemberIdentity } from './memberApi.ts';
import type { ClusterIdentity, ObservedCluster } from './observed.ts';

/** Whether this cluster has begun to exist: some reachable volume holds data under its id. */
export function isFounded(observed: ObservedCluster): boolean {
  const clusterId = observed.identity?.clusterId;
  return observed.members.some(
    ({ identity }) =>
      identity !== null && !identity.empty && identity.clusterId !== null && identity.clusterId === clusterId,
  );
}

/**
 * Founds the cluster once and only once. The identity comes first, with the id of the empty volume that is to be
 * founded; that volume is then the witness: as long as it is there and empty, nothing was ever stored, whenever
 * the operator died. Without the witness, all volumes empty means that data was lost.
 */
export function planFounding(observed: ObservedCluster): Step {
  if (isFounded(observed)) return NOTHING;
  return observed.identity === null ? planIdentity(observed) : planBootstrap(observed, observed.identity);
}

function planIdentity(observed: ObservedCluster): Step {
  const found = new Set(
    observed.members.flatMap(({ identity }) => (identity?.clusterId == null ? [] : [identity.clusterId])),
  );
  if (found.size > 1) {
    return blocked(
      'ConflictingData',
      `the volumes hold data of different clusters: ${[...found].join(', ')}`,
    );
  }
  for (const clusterId of found) {
    return doing('Founding', `adopting cluster ${clusterId} from its volumes`, {
      type: 'createIdentity',
      adopt: clusterId,
      founder: null,
    });
  }
  const unknown = unknownVolumes(observed);
  if (unknown.length > 0) {
    const message = `${unknown.join(', ')} may hold data and cannot be asked; once they report empty the cluster is founded`;
    const starting = observed.pods.filter(
      (pod) => pod.stuck === null && memberAt(observed, pod.ordinal)?.identity == null,
    );
    const step = blocked('WaitingForVolumes', message);
    if (starting.length === 0) return step;
    const names = starting.map((pod) => pod.name).join(', ');
    return { ...step, progress: { reason: 'Creating', message: `waiting for ${names} to answer` } };
  }
  const founder = memberAt(observed, 0)?.identity;
  if (founder == null) return doing('Creating', 'waiting for member 0 to answer');
  return doing('Founding', 'recording the identity of the cluster', {
    type: 'createIdentity',
    adopt: null,
    founder: founder.memberId,
  });
}

function planBootstrap(observed: ObservedCluster, identity: ClusterIdentity): Step {
  const first = memberAt(observed, 0)?.identity ?? null;
  if (first !== null && first.memberId === identity.founder && isEmpty(first, identity.clusterId)) {
    return doing('Founding', `founding cluster ${identity.clusterId} on member 0`, {
      type: 'bootstrap',
      ordinal: 0,
      clusterId: identity.clusterId,
      shards: observed.cluster.spec.shards,
    });
  }
  const foreign = observed.members.filter(
    ({ identity: own }) => own !== null && !isEmpty(own, identity.clusterId),
  );
  if (foreign.length > 0) {
    const which = foreign.map(
      ({ ordinal, identity: own }) => `${ordinal} (${own?.clusterId ?? own?.damaged ?? 'unknown data'})`,
    );
    return blocked(
      'ForeignData',
      `no member holds cluster ${identity.clusterId}, but there is other data on members ${which.join(', ')}`,
    );
  }
  const all = unknownVolumes(observed);
  const kept = scaledAway(observed).filter((claim) => all.includes(claim));
  const unknown = all.filter((claim) => !kept.includes(claim));
  const silent = observed.pods.filter((pod) => memberAt(observed, pod.ordinal)?.identity == null);
  // With no volumes that outlive pods, a silent pod is the only place where data could still be.
  if (unknown.length > 0 || silent.length > 0 || first === null) {
    // Volumes without a pod are worth a word only when no pod is left to wait for.
    const awaited = silent.length > 0 ? silent.map((pod) => pod.name) : unknown;
    return blocked(
      'MembersUnreachable',
      `no member that answers holds cluster ${identity.clusterId}; not heard of: ${awaited.join(', ') || 'member 0'}`,
    );
  }
  const discard = (why: string) => ({
    type: 'discardIdentity' as const,
    uid: identity.uid,
    clusterId: identity.clusterId,
    why,
  });
  if (observed.cluster.spec.storage.medium === 'Memory') {
    return doing(
      'Founding',
      `all members lost their memory; starting anew, empty, after cluster ${identity.clusterId}`,
      discard('all members stopped at once and kept their data in memory'),
    );
  }
  if (observed.cluster.metadata.annotations?.[ANNOTATIONS.startAnew] === identity.clusterId) {
    return doing(
      'Founding',
      `starting anew as the annotation says`,
      discard(`annotation ${ANNOTATIONS.startAnew}`),
    );
  }
  const unasked = kept.length === 0 ? '' : ` (${kept.join(', ')} of members scaled away not asked)`;
  return blocked(
    'DataLost',
    `every volume is empty${unasked}, but cluster ${identity.clusterId} existed; restore the volumes, or start anew, empty, with annotation ${ANNOTATIONS.startAnew}=${identity.clusterId}`,
  );
}

/** Nothing was ever logged there. It may have been told the cluster's id: that comes before the first entry. */
function isEmpty(identity: MemberIdentity, clusterId?: string): boolean {
  const unclaimed = identity.clusterId === null || identity.clusterId === clusterId;
  return identity.empty && unclaimed && identity.damaged === null;
}

/** Claims kept of members that left the cluster: what they hold no quorum needs any more. */
function scaledAway({ cluster, claims, pods }: ObservedCluster): string[] {
  return claims
    .filter(({ ordinal }) => ordinal >= cluster.spec.members && !pods.some((pod) => pod.ordinal === ordinal))
    .map((claim) => claim.name);
}

/** Volumes that exist and whose member does not answer, or answers something that is neither empty nor ours. */
function unknownVolumes(observed: ObservedCluster): string[] {
  const claims = observed.claims
    .filter((claim) => claim.bound)
    .filter((claim) => {
      const identity = memberAt(observed, claim.ordinal)?.identity;
      return identity == null || !isEmpty(identity, observed.identity?.clusterId);
    })
    .map((claim) => claim.name);
  const damaged = observed.members
    .filter(({ identity }) => identity !== null && identity.clusterId === null && !isEmpty(identity))
    .map(({ ordinal }) => `member ${ordinal}`);
  return [...new Set([...claims, ...damaged])];
}
