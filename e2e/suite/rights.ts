import { type AuditedRequest, isRefused } from './auditLog.ts';

/** A rule of a Role or ClusterRole. */
export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** `verb resource[/subresource][.group]`: one of the many things that a rule allows. */
export type Right = string;

function rightOf(verb: string, resource: string, group: string): Right {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`}`;
}

/** All that rules allow, without wildcards: those would allow what nobody has thought of. */
export function rightsOf(rules: readonly Rule[]): Right[] {
  const rights = rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => rightOf(verb, resource, group))),
    ),
  );
  const wild = rights.find((right) => right.includes('*'));
  if (wild !== undefined) throw new Error(`a rule allows ${wild}`);
  return [...new Set(rights)].sort();
}

const OK = 200;
const CREATED = 201;
/**
 * Of these objects the operator's own make the deletion of their owner wait; a server that cares about it asks for
 * the right to change the owner's finalizers, and logs no request of its own for that.
 */
const WAITED_FOR: Readonly<Record<string, Right>> = {
  statefulsets: rightOf('update', 'syncclusters/finalizers', 'synccluster.io'),
  jobs: rightOf('update', 'syncbenchmarks/finalizers', 'synccluster.io'),
};

/**
 * Never deleted, but adopted: a server that cares about owners asks for the right to delete what gets another one, and
 * logs no request of its own for that either. Nor does the log tell what a patch has changed.
 */
const ADOPTED: ReadonlySet<string> = new Set([
  'statefulsets',
  'services',
  'serviceaccounts',
  'roles',
  'rolebindings',
]);

/** What rights a request made use of; none when it was refused. */
export function rightsUsed(request: AuditedRequest): Right[] {
  const { verb, objectRef, responseStatus } = request;
  if (objectRef === undefined || isRefused(request)) return [];
  const { apiGroup = '', resource, subresource } = objectRef;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const used = [rightOf(verb, full, apiGroup)];
  if (responseStatus?.code !== CREATED) {
    if (verb === 'patch' && responseStatus?.code === OK && ADOPTED.has(full))
      used.push(rightOf('delete', full, apiGroup));
    return used;
  }
  // An apply that creates needs both rights.
  if (verb === 'patch') used.push(rightOf('create', full, apiGroup));
  const owner = WAITED_FOR[full];
  if (owner !== undefined) used.push(owner);
  return used;
}
