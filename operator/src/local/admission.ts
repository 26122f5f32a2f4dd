import { KubeError } from '../runtime/kube.ts';
import { ruleProblems } from './celRules.ts';
import {
  at,
  equal,
  isObject,
  type Json,
  type JsonObject,
  listAt,
  objectAt,
  stringAt,
  withAt,
} from './json.ts';
import type { Kind } from './kinds.ts';
import { parseQuantity } from './quantity.ts';
import { schemaProblems } from './schema.ts';

/** Refuses what an API server refuses: throws `Invalid` with every problem in one message. `old` is null at creation. */
export function admit(kind: Kind, object: JsonObject, old: JsonObject | null): void {
  const problems = [...metadataProblems(kind, object)];
  if (kind.schema !== null) {
    problems.push(...schemaProblems(kind.schema, object));
    // Rules may rely on the schema: they run only on what it accepts.
    if (problems.length === 0) problems.push(...ruleProblems(kind.schema, object, old ?? undefined));
  } else {
    problems.push(...builtInProblems(kind.kind, object));
  }
  if (old !== null) problems.push(...immutableProblems(kind.kind, old, object));
  if (problems.length > 0) {
    const name = stringAt(object, 'metadata', 'name') ?? '';
    throw new KubeError('Invalid', `${kind.kind} "${name}" is invalid: ${problems.join('; ')}`);
  }
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const QUALIFIED_NAME = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

function* metadataProblems(kind: Kind, object: JsonObject): Generator<string> {
  const name = stringAt(object, 'metadata', 'name') ?? '';
  const namespace = stringAt(object, 'metadata', 'namespace') ?? '';
  const label = kind.kind === 'Service' || kind.kind === 'StatefulSet';
  const longest = label ? 63 : 253;
  // The name becomes a file's name: the check also keeps it inside its directory.
  if (name.length > longest || !name.split(label ? '\n' : '.').every((part) => DNS_LABEL.test(part))) {
    yield `metadata.name: Invalid value: "${name}": must be a lower-case DNS name of at most ${longest} characters`;
  }
  if (namespace.length > 63 || !DNS_LABEL.test(namespace)) {
    yield `metadata.namespace: Invalid value: "${namespace}": must be a lower-case DNS label`;
  }
  for (const [key, value] of Object.entries(objectAt(object, 'metadata', 'labels') ?? {})) {
    if (!QUALIFIED_NAME.test(key)) yield `metadata.labels: Invalid value: "${key}": not a label's name`;
    if (typeof value !== 'string' || value.length > 63 || !LABEL_VALUE.test(value)) {
      yield `metadata.labels: Invalid value: ${JSON.stringify(value)}: must be at most 63 of [A-Za-z0-9_.-]`;
    }
  }
  for (const [key, value] of Object.entries(objectAt(object, 'metadata', 'annotations') ?? {})) {
    if (!QUALIFIED_NAME.test(key))
      yield `metadata.annotations: Invalid value: "${key}": not an annotation's name`;
    if (typeof value !== 'string') yield `metadata.annotations.${key}: must be a string`;
  }
  for (const reference of listAt(object, 'metadata', 'ownerReferences')) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid']) {
      if (stringAt(reference, field) === undefined) yield `metadata.ownerReferences.${field}: Required value`;
    }
  }
}

/** 1 MiB, what an API server allows a ConfigMap or Secret to hold. */
const MAX_DATA_BYTES = 1024 * 1024;

function* builtInProblems(kind: string, object: JsonObject): Generator<string> {
  if (kind === 'ConfigMap' || kind === 'Secret') {
    let bytes = 0;
    for (const part of ['data', 'binaryData']) {
      for (const [key, value] of Object.entries(objectAt(object, part) ?? {})) {
        if (!/^[-._a-zA-Z0-9]{1,253}$/.test(key) || key === '.' || key === '..') {
          yield `${part}: Invalid value: "${key}": a key is 1 to 253 of [-._a-zA-Z0-9]`;
        }
        if (typeof value !== 'string') yield `${part}.${key}: must be a string`;
        else bytes += utf8Bytes(value);
      }
    }
    if (bytes > MAX_DATA_BYTES) yield `data: Too long: ${bytes} bytes, at most ${MAX_DATA_BYTES}`;
  }
  if (kind === 'StatefulSet') {
    const labels = objectAt(object, 'spec', 'template', 'metadata', 'labels') ?? {};
    const wanted = Object.entries(objectAt(object, 'spec', 'selector', 'matchLabels') ?? {});
    if (wanted.length === 0) yield 'spec.selector: Required value';
    for (const [name, value] of wanted) {
      if (labels[name] !== value)
        yield 'spec.template.metadata.labels: `selector` does not match template `labels`';
    }
    const replicas = at(object, 'spec', 'replicas');
    if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
      yield `spec.replicas: Invalid value: ${JSON.stringify(replicas)}: must be a whole number, 0 or more`;
    }
  }
  if (kind === 'Pod' || kind === 'StatefulSet' || kind === 'Job') {
    const path = kind === 'Pod' ? ['spec'] : ['spec', 'template', 'spec'];
    const containers = listAt(object, ...path, 'containers');
    if (containers.length === 0) yield `${path.join('.')}.containers: Required value`;
    for (const container of containers) {
      if (stringAt(container, 'name') === undefined)
        yield `${path.join('.')}.containers.name: Required value`;
    }
  }
  if (kind === 'PersistentVolumeClaim') {
    const size = at(object, 'spec', 'resources', 'requests', 'storage');
    if (typeof size !== 'string' || (parseQuantity(size) ?? 0n) <= 0n) {
      yield 'spec.resources[storage]: Required value';
    }
  }
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

const STATEFUL_SET_MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
  'revisionHistoryLimit',
];

function* immutableProblems(kind: string, old: JsonObject, object: JsonObject): Generator<string> {
  if ((kind === 'ConfigMap' || kind === 'Secret') && old['immutable'] === true) {
    for (const field of ['immutable', 'data', 'binaryData']) {
      if (!equal(old[field], object[field]))
        yield `${field}: Forbidden: field is immutable when \`immutable\` is set`;
    }
  }
  if (kind === 'StatefulSet') {
    const strip = (spec: Json | undefined): JsonObject =>
      Object.fromEntries(
        Object.entries(isObject(spec) ? spec : {}).filter(([name]) => !STATEFUL_SET_MUTABLE.includes(name)),
      );
    if (!equal(strip(old['spec']), strip(object['spec']))) {
      yield `spec: Forbidden: updates to statefulset spec for fields other than ${STATEFUL_SET_MUTABLE.join(', ')} are forbidden`;
    }
  }
  if (kind === 'Job') {
    for (const field of ['selector', 'template', 'completionMode', 'completions']) {
      if (!equal(at(old, 'spec', field), at(object, 'spec', field)))
        yield `spec.${field}: field is immutable`;
    }
  }
  if (kind === 'Pod' && !equal(podIdentity(old), podIdentity(object))) {
    yield 'spec: Forbidden: pod updates may not change fields other than containers[*].image';
  }
  if (kind === 'Service' && !equal(at(old, 'spec', 'clusterIP'), at(object, 'spec', 'clusterIP'))) {
    yield 'spec.clusterIP: field is immutable';
  }
  if (kind === 'RoleBinding' && !equal(old['roleRef'], object['roleRef']))
    yield 'roleRef: cannot change roleRef';
  if (kind === 'PersistentVolumeClaim') yield* claimProblems(old, object);
}

function podIdentity(pod: JsonObject): JsonObject {
  const spec = objectAt(pod, 'spec') ?? {};
  const containers = listAt(spec, 'containers').map((item) =>
    isObject(item) ? { ...item, image: '' } : item,
  );
  return { ...spec, containers };
}

function* claimProblems(old: JsonObject, object: JsonObject): Generator<string> {
  const size = (claim: JsonObject): bigint =>
    parseQuantity(String(at(claim, 'spec', 'resources', 'requests', 'storage') ?? '')) ?? 0n;
  const rest = (claim: JsonObject): JsonObject => withAt(claim, ['spec', 'resources', 'requests'], {});
  if (size(object) < size(old))
    yield 'spec.resources.requests.storage: Forbidden: field can not be less than before';
  if (!equal(rest(old)['spec'], rest(object)['spec'])) {
    yield 'spec: Forbidden: spec is immutable after creation except resources.requests';
  }
}
