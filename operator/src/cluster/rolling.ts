import type { PodTemplate } from '../api/kinds.ts';
import { ANNOTATIONS } from '../desired/names.ts';
import { buildTemplate, MEMBER_CONTAINER, memberImage, templateHash } from '../desired/statefulSet.ts';
import { blocked, doing, NOTHING, type Step } from './actions.ts';
import {
  allLeaders,
  type ClusterView,
  caughtUpVoterEverywhere,
  memberNames,
  quorumWithout,
  statusAt,
} from './groups.ts';
import type { ObservedCluster, ObservedPod } from './observed.ts';

/** A voter in every group, caught up, and ready to Kubernetes too. */
function isHealthy(observed: ObservedCluster, view: ClusterView, ordinal: number): boolean {
  const pod = observed.pods.find((candidate) => candidate.ordinal === ordinal);
  const status = statusAt(observed, ordinal);
  const leaders = allLeaders(view);
  if (pod === undefined || status === null || leaders === null) return false;
  return pod.ready && !pod.terminating && status.ready && caughtUpVoterEverywhere(leaders, status.memberId);
}

/** Ordinals that count today, whatever the spec says now; those of the spec before there is a roster. */
function presentOrdinals(observed: ObservedCluster, view: ClusterView): number[] {
  const voters = view.roster?.members.filter((member) => member.target === 'voter') ?? [];
  if (voters.length > 0) return voters.map((member) => member.ordinal);
  return Array.from({ length: observed.cluster.spec.members }, (_, ordinal) => ordinal);
}

/**
 * The template the StatefulSet is to have. A new one is written only when a roll can start, for a pod that comes
 * back by itself comes back from it. A template that no pod can run with may always be mended.
 */
export function planTemplate(
  observed: ObservedCluster,
  view: ClusterView,
  fallbackImage: string,
): { template: PodTemplate; waits: string | null } {
  const live = observed.statefulSet?.spec.template ?? null;
  const running =
    live?.spec.containers.find((container) => container.name === MEMBER_CONTAINER)?.image ?? null;
  const image = memberImage(observed.cluster, running, fallbackImage);
  const fresh = () => ({ template: buildTemplate(observed.cluster, image), waits: null });
  if (live === null) return fresh();
  if (live.metadata.annotations?.[ANNOTATIONS.templateHash] === templateHash(observed.cluster, image)) {
    return { template: live, waits: null };
  }
  if (observed.identity === null) return fresh();
  const unhealthy = presentOrdinals(observed, view).filter((ordinal) => !isHealthy(observed, view, ordinal));
  const mendable = unhealthy.every((ordinal) =>
    observed.pods.some((pod) => pod.ordinal === ordinal && pod.stuck !== null),
  );
  if (mendable) return fresh();
  return {
    template: live,
    waits: `the new pod template waits for ${memberNames(unhealthy)} to be healthy`,
  };
}

/** Restarts pods of an older template, one at a time, while all others are healthy; leaders last. */
export function planRestart(observed: ObservedCluster, view: ClusterView, settled: boolean): Step {
  const { statefulSet } = observed;
  const hash = statefulSet?.spec.template.metadata.annotations?.[ANNOTATIONS.templateHash];
  if (statefulSet === null || hash === undefined) return NOTHING;
  const outdated = observed.pods.filter((pod) => pod.templateHash !== hash && !pod.terminating);
  if (outdated.length === 0) return NOTHING;
  const seen = statefulSet.status?.observedGeneration;
  // Until the StatefulSet's controller has seen the template, a deleted pod would come back from the old one.
  if (seen !== undefined && seen !== statefulSet.metadata.generation)
    return doing('Restarting', 'waiting for the StatefulSet controller to see the new pod template');

  const hopeless = outdated.filter((pod) => pod.stuck !== null || observed.identity === null);
  if (hopeless.length > 0) {
    return doing(
      'Restarting',
      'replacing pods that never ran',
      ...hopeless.map((pod) => deletion(pod, 'it cannot run')),
    );
  }
  if (!settled) return blocked('RestartBlocked', 'members restart once the membership is settled');
  const unhealthy = presentOrdinals(observed, view).filter((ordinal) => !isHealthy(observed, view, ordinal));
  const [first] = unhealthy;
  const progress = `restarting members with a new pod template, ${outdated.length} to go`;
  if (first !== undefined) {
    const alone = outdated.find((pod) => unhealthy.length === 1 && pod.ordinal === first);
    if (alone !== undefined) return doing('Restarting', progress, deletion(alone, 'new pod template'));
    return doing('Restarting', `${progress}; waiting for ${memberNames(unhealthy)}`);
  }
  return restartOne(observed, view, outdated, progress);
}

function restartOne(
  observed: ObservedCluster,
  view: ClusterView,
  outdated: readonly ObservedPod[],
  progress: string,
): Step {
  const leaders = allLeaders(view) ?? [];
  const led = (pod: ObservedPod) => leaders.filter((leader) => leader.leaderOrdinal === pod.ordinal).length;
  const coordinates = (pod: ObservedPod) => (leaders[0]?.leaderOrdinal === pod.ordinal ? 1 : 0);
  const [next] = [...outdated].sort(
    (a, b) => coordinates(a) - coordinates(b) || led(a) - led(b) || b.ordinal - a.ordinal,
  );
  if (next === undefined) return NOTHING;
  const memberId = statusAt(observed, next.ordinal)?.memberId;
  const alone = leaders.every((leader) => leader.status.configuration.voters.length === 1);
  if (alone || memberId === undefined)
    return doing('Restarting', progress, deletion(next, 'new pod template'));
  if (!leaders.every((leader) => quorumWithout(leader, memberId))) {
    return doing('Restarting', `${progress}; waiting for a quorum without member ${next.ordinal}`);
  }
  if (led(next) > 0) {
    const handover = { type: 'handover' as const, ordinal: next.ordinal, why: 'about to restart' };
    return doing('Restarting', progress, handover);
  }
  return doing('Restarting', progress, deletion(next, 'new pod template'));
}

function deletion(pod: ObservedPod, why: string) {
  return { type: 'deletePod' as const, name: pod.name, uid: pod.uid, why };
}
