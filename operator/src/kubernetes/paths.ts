import { KubeError, type KubeObject, type Resource, type Selector } from '../runtime/kube.ts';

/** The path of all objects of a kind, of a namespace or of all. */
export function collectionPath(resource: Resource<KubeObject>, namespace: string | undefined): string {
  const { apiVersion, plural } = resource;
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return namespace === undefined
    ? `${root}/${plural}`
    : `${root}/namespaces/${segment('namespace', namespace)}/${plural}`;
}

/** An empty namespace: of a kind that has none. */
export function objectPath(
  resource: Resource<KubeObject>,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  subresource?: string,
): string {
  const path = `${collectionPath(resource, namespace === '' ? undefined : namespace)}/${segment('name', name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

export function labelSelector(labels: Selector['labels']): string | undefined {
  const entries = Object.entries(labels ?? {});
  return entries.length === 0 ? undefined : entries.map(([key, value]) => `${key}=${value}`).join(',');
}

/** A name must never lead out of its place in the path. */
function segment(what: string, text: string): string {
  if (typeof text !== 'string' || text === '' || text === '.' || text === '..' || /[/%?#\\]/.test(text))
    throw new KubeError('Invalid', `${what} ${JSON.stringify(text)} cannot be a part of a path`);
  return encodeURIComponent(text);
}
