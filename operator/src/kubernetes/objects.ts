import { KubeError, type KubeObject } from '../runtime/kube.ts';

type Identity = Pick<KubeObject, 'apiVersion' | 'kind'>;

/**
 * An object as the server sent it, with two differences: items of a list are told what they are, which a server leaves
 * out, and `managedFields`, often the larger half, are not kept.
 */
export function objectOf<T extends KubeObject>(value: unknown, identity: Identity, what: string): T {
  const metadata = isRecord(value) ? value['metadata'] : undefined;
  if (!isRecord(value) || !isRecord(metadata) || typeof metadata['name'] !== 'string')
    throw new KubeError('Unavailable', `${what}: the answer is no ${identity.kind}`);
  delete metadata['managedFields'];
  // The server answers with what was asked for; fields beyond the type are kept as they are.
  return { ...identity, ...value } as unknown as T;
}

/** One page of a list. */
export function pageOf(
  value: unknown,
  what: string,
): {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  readonly next: string | undefined;
} {
  const metadata = isRecord(value) ? value['metadata'] : undefined;
  if (!isRecord(value) || !isRecord(metadata) || typeof metadata['resourceVersion'] !== 'string')
    throw new KubeError('Unavailable', `${what}: the answer is no list`);
  const { items } = value;
  const next = metadata['continue'];
  return {
    // An empty list may come as null.
    items: Array.isArray(items) ? items : [],
    resourceVersion: metadata['resourceVersion'],
    next: typeof next === 'string' && next !== '' ? next : undefined,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
