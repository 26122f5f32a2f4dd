import type { AuditedRequest } from './auditLog.ts';

/** From and to, in RFC 3339. */
export type Span = readonly [from: string, to: string];

const BINDINGS = ['rolebindings', 'clusterrolebindings'];
const CREATED = 201;

/**
 * Spans of time in which a release in a namespace lacked some of its bindings: an operator that ends meanwhile has lost
 * rights. Helm takes them away one by one, so a span begins with the first and lasts until all are there again. Bindings
 * in other namespaces come and go with the list of namespaces that the release serves, and are not looked at.
 */
export function uninstalledSpans(log: string, namespace: string): Span[] {
  const spans: Span[] = [];
  const missing = new Set<string>();
  let from = '';
  for (const line of log.split('\n')) {
    if (!BINDINGS.some((resource) => line.includes(`"${resource}"`))) continue;
    const { verb, objectRef, requestReceivedTimestamp, responseStatus } = JSON.parse(line) as AuditedRequest;
    if (objectRef === undefined || !BINDINGS.includes(objectRef.resource)) continue;
    const code = responseStatus?.code ?? 0;
    const name = objectRef.name ?? '';
    const isOurs =
      objectRef.namespace === undefined
        ? name.startsWith(`${namespace}:`)
        : objectRef.namespace === namespace;
    if (!isOurs || name === '') continue;
    if (verb === 'delete' && code < 300) {
      if (missing.size === 0) from = requestReceivedTimestamp;
      missing.add(name);
      // Helm creates by applying, or, older ones, by creating.
    } else if (code === CREATED && missing.delete(name) && missing.size === 0) {
      spans.push([from, requestReceivedTimestamp]);
    }
  }
  if (missing.size > 0) throw new Error(`never created again: ${[...missing].join(', ')}`);
  return spans;
}
