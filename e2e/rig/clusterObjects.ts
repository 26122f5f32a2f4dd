import { VOLUME_OBJECTS } from './volumes.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const READ = ['get', 'list', 'watch'];
const WRITE = [...READ, 'create', 'update', 'patch', 'delete'];

/** The rights of a program of the rig that Kubernetes itself knows nothing of, by the name in its certificate. */
function rights(user: string, rules: readonly Rule[]): unknown[] {
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user };
  const subject = { apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user };
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: user }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: user },
      roleRef: role,
      subjects: [subject],
    },
  ];
}

/** What is in the cluster before any test comes. */
export function clusterObjects(): string {
  const items = [
    ...rights('coredns', [
      { apiGroups: [''], resources: ['namespaces', 'services', 'pods'], verbs: READ },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: READ },
    ]),
    ...rights('local-path-provisioner', [
      {
        apiGroups: [''],
        resources: ['nodes', 'persistentvolumeclaims', 'configmaps', 'pods/log'],
        verbs: READ,
      },
      { apiGroups: [''], resources: ['persistentvolumes', 'pods'], verbs: WRITE },
      { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
      { apiGroups: ['storage.k8s.io'], resources: ['storageclasses'], verbs: READ },
    ]),
    ...VOLUME_OBJECTS,
  ];
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
