import { randomBytes } from 'node:crypto';
import { ControlLoop, type LocalLogger } from './controlLoop.ts';
import { at, isObject, type JsonObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { JOBS, PODS } from './kinds.ts';
import { type ObjectStore, timestamp } from './objectStore.ts';
import {
  controllerReference,
  controllerUid,
  isDeleting,
  keyOf,
  labelsOf,
  type StoredObject,
} from './objects.ts';
import { type Condition, podIsReady, podPhase, transitioned } from './podState.ts';

const MANAGER = 'job-controller';
const INDEX = 'batch.kubernetes.io/job-completion-index';

/** Pods that run to an end, indexed or not, with a back-off limit, a deadline and a time to live. */
export class JobController {
  readonly #store: ObjectStore;
  readonly #loop: ControlLoop;
  readonly #unsubscribe: () => void;

  constructor(store: ObjectStore, logger: LocalLogger) {
    this.#store = store;
    this.#loop = new ControlLoop('job controller', logger, () => this.#sync());
    this.#unsubscribe = store.onChange(({ kind, before, after }) => {
      if (kind === PODS && before !== null && after === null) this.#countLost(before);
      if (kind === JOBS || kind === PODS) this.#loop.poke();
    });
    this.#loop.poke();
  }

  stop(): void {
    this.#unsubscribe();
    this.#loop.stop();
  }

  #sync(): number | null {
    const byController = new Map<string, StoredObject[]>();
    for (const pod of this.#store.list(PODS)) {
      const uid = controllerUid(pod);
      if (uid !== undefined) byController.set(uid, [...(byController.get(uid) ?? []), pod]);
    }
    let soonest = Number.POSITIVE_INFINITY;
    const well = this.#loop.each(this.#store.list(JOBS), (job) => {
      if (isDeleting(job)) return;
      const againMs = this.#reconcile(job, byController.get(job.metadata.uid) ?? []);
      soonest = Math.min(soonest, againMs ?? Number.POSITIVE_INFINITY);
    });
    return well ? (Number.isFinite(soonest) ? Math.max(0, soonest) : null) : ControlLoop.again(false);
  }

  #reconcile(job: StoredObject, pods: readonly StoredObject[]): number | null {
    const ended = condition(job, 'Complete') ?? condition(job, 'Failed');
    if (ended !== undefined) return this.#afterEnd(job);
    const completions = numberAt(job, 'spec', 'completions') ?? 1;
    const parallelism = at(job, 'spec', 'suspend') === true ? 0 : (numberAt(job, 'spec', 'parallelism') ?? 1);
    const indexed = stringAt(job, 'spec', 'completionMode') === 'Indexed';
    const startTime = stringAt(job, 'status', 'startTime') ?? timestamp(0);
    const succeededPods = pods.filter((pod) => podPhase(pod) === 'Succeeded');
    const doneIndexes = new Set(succeededPods.map(indexOf));
    const succeeded = indexed ? doneIndexes.size : succeededPods.length;
    const failed =
      pods.filter((pod) => podPhase(pod) === 'Failed').length + (numberAt(job, 'status', 'lostPods') ?? 0);
    const active = pods.filter((pod) => !['Succeeded', 'Failed'].includes(podPhase(pod)));
    const deadlineMs = numberAt(job, 'spec', 'activeDeadlineSeconds');
    const leftMs = deadlineMs === undefined ? null : Date.parse(startTime) + deadlineMs * 1000 - Date.now();
    const verdict = verdictOn(job, { succeeded, completions, failed, leftMs });
    if (verdict === null) {
      this.#startPods(job, active, { completions, parallelism, indexed, succeeded, doneIndexes });
    } else {
      for (const pod of active) this.#store.delete(PODS, keyOf(pod), { uid: pod.metadata.uid });
    }
    // A real cluster reports the end only when every pod has ended: then nothing of the Job runs any more.
    const over = verdict !== null && active.length === 0;
    this.#writeStatus(job, {
      startTime,
      active: active.length,
      ready: active.filter(podIsReady).length,
      succeeded,
      failed,
      ...(numberAt(job, 'status', 'lostPods') === undefined
        ? {}
        : { lostPods: numberAt(job, 'status', 'lostPods') ?? 0 }),
      ...(indexed ? { completedIndexes: [...doneIndexes].sort((a, b) => a - b).join(',') } : {}),
      ...(over && verdict?.type === 'Complete' ? { completionTime: timestamp(0) } : {}),
      ...(verdict === null
        ? {}
        : { conditions: transitioned(job, conditionsOf(verdict, over), timestamp(0)) }),
    });
    return verdict === null ? leftMs : null;
  }

  #startPods(
    job: StoredObject,
    active: readonly StoredObject[],
    wanted: {
      completions: number;
      parallelism: number;
      indexed: boolean;
      succeeded: number;
      doneIndexes: ReadonlySet<number>;
    },
  ): void {
    if (wanted.indexed) {
      const busy = new Set(active.map(indexOf));
      let running = active.length;
      for (let index = 0; index < wanted.completions && running < wanted.parallelism; index += 1) {
        if (busy.has(index) || wanted.doneIndexes.has(index)) continue;
        this.#createPod(job, index);
        running += 1;
      }
      return;
    }
    const target = Math.min(wanted.parallelism, wanted.completions - wanted.succeeded);
    for (let running = active.length; running < target; running += 1) this.#createPod(job, null);
  }

  #createPod(job: StoredObject, index: number | null): void {
    const template = objectAt(job, 'spec', 'template') ?? {};
    const suffix = randomBytes(3).toString('hex').slice(0, 5);
    const base = index === null ? job.metadata.name : `${job.metadata.name}-${index}`;
    const spec = objectAt(template, 'spec') ?? {};
    const indexEnvironment = index === null ? [] : [{ name: 'JOB_COMPLETION_INDEX', value: String(index) }];
    this.#store.create(
      PODS,
      {
        metadata: {
          name: `${base}-${suffix}`,
          namespace: job.metadata.namespace,
          labels: { ...labelsOf(template), ...(index === null ? {} : { [INDEX]: String(index) }) },
          annotations: {
            ...objectAt(template, 'metadata', 'annotations'),
            ...(index === null ? {} : { [INDEX]: String(index) }),
          },
          ownerReferences: [controllerReference(job)],
        },
        spec: {
          ...spec,
          ...(index === null ? {} : { hostname: base }),
          containers: listAt(spec, 'containers').map((container) =>
            isObject(container)
              ? { ...container, env: [...listAt(container, 'env'), ...indexEnvironment] }
              : container,
          ),
        },
      },
      MANAGER,
    );
  }

  /** A pod that was deleted before it ended counts as failed, or a Job would start it over for ever. */
  #countLost(pod: StoredObject): void {
    if (['Succeeded', 'Failed'].includes(podPhase(pod))) return;
    const uid = controllerUid(pod);
    const job = this.#store
      .list(JOBS, { namespace: pod.metadata.namespace })
      .find((item) => item.metadata.uid === uid);
    if (job === undefined || isDeleting(job)) return;
    this.#writeStatus(job, {
      ...objectAt(job, 'status'),
      lostPods: (numberAt(job, 'status', 'lostPods') ?? 0) + 1,
    });
  }

  #afterEnd(job: StoredObject): number | null {
    const ttlSeconds = numberAt(job, 'spec', 'ttlSecondsAfterFinished');
    if (ttlSeconds === undefined) return null;
    const ended = condition(job, 'Complete') ?? condition(job, 'Failed');
    const leftMs = Date.parse(stringAt(ended, 'lastTransitionTime') ?? '') + ttlSeconds * 1000 - Date.now();
    if (leftMs > 0) return leftMs;
    this.#store.delete(JOBS, keyOf(job), { uid: job.metadata.uid });
    return null;
  }

  #writeStatus(job: StoredObject, status: JsonObject): void {
    const live = this.#store.get(JOBS, keyOf(job));
    if (live === null || live.metadata.uid !== job.metadata.uid) return;
    const { resourceVersion: _, ...metadata } = live.metadata;
    this.#store.updateStatus(JOBS, { ...live, metadata, status }, MANAGER);
  }
}

interface Verdict {
  readonly type: 'Complete' | 'Failed';
  readonly reason: string;
  readonly message: string;
}

/** Null while the Job goes on. A failure stands once it is found: ending the other pods adds failures of its own. */
function verdictOn(
  job: StoredObject,
  state: { succeeded: number; completions: number; failed: number; leftMs: number | null },
): Verdict | null {
  const failing = condition(job, 'FailureTarget');
  if (failing !== undefined) {
    return {
      type: 'Failed',
      reason: stringAt(failing, 'reason') ?? '',
      message: stringAt(failing, 'message') ?? '',
    };
  }
  if (state.succeeded >= state.completions) {
    return { type: 'Complete', reason: 'CompletionsReached', message: `${state.succeeded} pods succeeded` };
  }
  if (state.failed > (numberAt(job, 'spec', 'backoffLimit') ?? 6)) {
    return { type: 'Failed', reason: 'BackoffLimitExceeded', message: `${state.failed} pods failed` };
  }
  if (state.leftMs !== null && state.leftMs <= 0) {
    return {
      type: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Job was active longer than specified deadline',
    };
  }
  return null;
}

/** The verdict itself is told when nothing of the Job runs any more; until then only that it will fail. */
function conditionsOf(verdict: Verdict, over: boolean): Condition[] {
  const { reason, message } = verdict;
  const final: Condition[] = over ? [{ type: verdict.type, status: 'True', reason, message }] : [];
  return verdict.type === 'Failed'
    ? [...final, { type: 'FailureTarget', status: 'True', reason, message }]
    : final;
}

function condition(job: StoredObject, type: string): JsonObject | undefined {
  return listAt(job, 'status', 'conditions')
    .filter(isObject)
    .find((item) => item['type'] === type && item['status'] === 'True');
}

function indexOf(pod: StoredObject): number {
  return Number(stringAt(pod, 'metadata', 'annotations', INDEX) ?? '0');
}
