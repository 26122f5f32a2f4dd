import { at, isObject, type JsonObject, listAt, numberAt, objectAt, withAt } from './json.ts';

/**
 * What an API server fills into built-in kinds, as far as it can be seen: somebody who compares what he asked for
 * with what is stored meets these fields on a real cluster as well.
 */
export function builtInDefaults(kind: string, object: JsonObject): JsonObject {
  switch (kind) {
    case 'Pod':
      return withAt(object, ['spec'], podSpecDefaults(objectAt(object, 'spec') ?? {}, 'Always', true));
    case 'StatefulSet':
      return statefulSetDefaults(object);
    case 'Job':
      return jobDefaults(object);
    case 'Service':
      return serviceDefaults(object);
    case 'PersistentVolumeClaim':
      return fill(object, ['spec'], { volumeMode: 'Filesystem' });
    default:
      return object;
  }
}

function fill(object: JsonObject, path: readonly string[], defaults: JsonObject): JsonObject {
  return withAt(object, path, { ...defaults, ...(objectAt(object, ...path) ?? {}) });
}

function templateDefaults(object: JsonObject, restartPolicy: string): JsonObject {
  const template = objectAt(object, 'spec', 'template', 'spec') ?? {};
  return withAt(object, ['spec', 'template', 'spec'], podSpecDefaults(template, restartPolicy, false));
}

function podSpecDefaults(spec: JsonObject, restartPolicy: string, scheduled: boolean): JsonObject {
  const containers = listAt(spec, 'containers').map((container) =>
    isObject(container)
      ? {
          imagePullPolicy: 'IfNotPresent',
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          ...container,
          ...(container['ports'] === undefined ? {} : { ports: withProtocol(listAt(container, 'ports')) }),
        }
      : container,
  );
  return {
    dnsPolicy: 'ClusterFirst',
    restartPolicy,
    schedulerName: 'default-scheduler',
    terminationGracePeriodSeconds: 30,
    ...(scheduled ? { nodeName: 'local', serviceAccountName: 'default' } : {}),
    ...spec,
    containers,
  };
}

function withProtocol(ports: readonly unknown[]): JsonObject[] {
  return ports.filter(isObject).map((port) => ({ protocol: 'TCP', ...port }));
}

function statefulSetDefaults(object: JsonObject): JsonObject {
  const filled = fill(templateDefaults(object, 'Always'), ['spec'], {
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    revisionHistoryLimit: 10,
  });
  const withRetention = fill(filled, ['spec', 'persistentVolumeClaimRetentionPolicy'], {
    whenDeleted: 'Retain',
    whenScaled: 'Retain',
  });
  const strategy = fill(withRetention, ['spec', 'updateStrategy'], { type: 'RollingUpdate' });
  const claims = listAt(strategy, 'spec', 'volumeClaimTemplates').filter(isObject);
  if (claims.length === 0) return strategy;
  return withAt(
    strategy,
    ['spec', 'volumeClaimTemplates'],
    claims.map((claim) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      ...fill(claim, ['spec'], { volumeMode: 'Filesystem' }),
      status: { phase: 'Pending' },
    })),
  );
}

function jobDefaults(object: JsonObject): JsonObject {
  const uid = at(object, 'metadata', 'uid');
  const name = at(object, 'metadata', 'name');
  const manual = at(object, 'spec', 'manualSelector') === true;
  const parallelism = numberAt(object, 'spec', 'parallelism') ?? 1;
  let result = fill(templateDefaults(object, 'Never'), ['spec'], {
    backoffLimit: 6,
    completionMode: 'NonIndexed',
    completions: 1,
    parallelism,
    suspend: false,
    manualSelector: false,
  });
  if (!manual && typeof uid === 'string' && typeof name === 'string') {
    const labels = { 'batch.kubernetes.io/controller-uid': uid, 'batch.kubernetes.io/job-name': name };
    if (at(result, 'spec', 'selector') === undefined) {
      result = withAt(result, ['spec', 'selector', 'matchLabels'], {
        'batch.kubernetes.io/controller-uid': uid,
      });
    }
    result = fill(result, ['spec', 'template', 'metadata', 'labels'], labels);
  }
  return result;
}

function serviceDefaults(object: JsonObject): JsonObject {
  const ports = withProtocol(listAt(object, 'spec', 'ports')).map((port) => ({
    ...port,
    ...(port['targetPort'] === undefined && port['port'] !== undefined ? { targetPort: port['port'] } : {}),
  }));
  return fill(withAt(object, ['spec', 'ports'], ports), ['spec'], {
    type: 'ClusterIP',
    sessionAffinity: 'None',
    internalTrafficPolicy: 'Cluster',
  });
}
