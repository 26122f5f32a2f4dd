// What `helm test` runs, as the operator's account: does an operator work, and may it do what it has to?
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const {
  KUBERNETES_SERVICE_HOST: host,
  KUBERNETES_SERVICE_PORT: port,
  OPERATOR,
  LEASE,
  NAMESPACES,
  RULES,
} = process.env;
const server = `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const token = (await readFile('/var/run/secrets/kubernetes.io/serviceaccount/token', 'utf8')).trim();
const deadline = Date.now() + Number(process.env.TIMEOUT_SECONDS) * 1000;
let failed = 0;

async function api(path, body) {
  const answer = await fetch(server + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const json = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${json.message}`);
  return json;
}

async function check(what, probe) {
  try {
    const found = await probe();
    console.log(`ok      ${what}${found === undefined ? '' : `: ${found}`}`);
  } catch (error) {
    failed++;
    console.log(
      `FAILED  ${what}: ${error.message}${error.cause === undefined ? '' : `: ${error.cause.message}`}`,
    );
  }
}

async function eventually(probe) {
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
      await sleep(500);
    }
  }
}

await check('the operator is ready', () =>
  eventually(async () => {
    const answer = await fetch(`${OPERATOR}/readyz`, { signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) throw new Error((await answer.text()).trim());
  }),
);

// A lease that is only held may be that of an operator that is no more.
await check('one operator works and renews its lease', () => {
  const renewals = new Set();
  return eventually(async () => {
    const [namespace, , name] = LEASE.split('/');
    const { spec } = await api(`/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/${name}`);
    if (!spec.holderIdentity) throw new Error('nobody holds it');
    renewals.add(`${spec.holderIdentity} ${spec.renewTime}`);
    if (renewals.size < 2) throw new Error(`${spec.holderIdentity} does not renew it`);
    return spec.holderIdentity;
  });
});

const namespaces = NAMESPACES === '' ? [''] : NAMESPACES.split(',');
for (const namespace of namespaces) {
  const where = namespace === '' ? '' : `/namespaces/${namespace}`;
  const suffix = namespace === '' ? 'in all namespaces' : `in namespace ${namespace}`;
  for (const plural of ['syncclusters', 'syncbenchmarks']) {
    await check(`${plural} are served and can be listed ${suffix}`, async () => {
      const { items } = await api(`/apis/synccluster.io/v1alpha1${where}/${plural}`);
      return `there are ${items.length}`;
    });
  }
  const may = async (group, resource, verb) => {
    const [plural, subresource] = resource.split('/');
    const { status } = await api('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, group, resource: plural, subresource, verb } },
    });
    return status.allowed;
  };
  await check(`the operator may do what it has to ${suffix}`, async () => {
    const missing = [];
    for (const { apiGroups, resources, verbs } of JSON.parse(RULES)) {
      for (const group of apiGroups)
        for (const resource of resources)
          for (const verb of verbs)
            if (!(await may(group, resource, verb))) missing.push(`${verb} ${resource}`);
    }
    if (missing.length > 0) throw new Error(`it may not ${missing.join(', ')}`);
  });
  await check(`the operator may read no Secret ${suffix}`, async () => {
    for (const verb of ['get', 'list', 'watch'])
      if (await may('', 'secrets', verb)) throw new Error(`it may ${verb} secrets`);
  });
}
console.log(failed === 0 ? 'all is well' : `${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
