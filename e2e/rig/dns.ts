import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigOf } from './certificates.ts';
import { waitUntil } from './condition.ts';
import { answers } from './controlPlane.ts';
import type { Binaries } from './goBuild.ts';
import { STATE_DIR } from './paths.ts';
import { hasEnded, start } from './processes.ts';
import { CLUSTER_DOMAIN, CONTROL_LOOPBACK, DNS_ADDRESS } from './settings.ts';

const READY_PORT = 8181;

/** CoreDNS as a process: it knows the cluster's names, and says of all others that they do not exist. */
export async function startDns(binaries: Binaries): Promise<void> {
  const corefile = join(STATE_DIR, 'Corefile');
  writeFileSync(
    corefile,
    `${CLUSTER_DOMAIN} in-addr.arpa {
  bind ${DNS_ADDRESS}
  errors
  ready ${CONTROL_LOOPBACK}:${READY_PORT}
  kubernetes ${CLUSTER_DOMAIN} in-addr.arpa {
    kubeconfig ${kubeconfigOf('coredns')} rig
    # Short, so that a pod that came back elsewhere is found at once.
    ttl 1
  }
}
. {
  bind ${DNS_ADDRESS}
  errors
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`,
  );
  start({ name: 'coredns', path: binaries['coredns']!, args: ['-conf', corefile] });
  await waitUntil('CoreDNS', () => answers(`http://${CONTROL_LOOPBACK}:${READY_PORT}/ready`), {
    timeoutMs: 60_000,
    hopeless: () => hasEnded('coredns'),
  });
}
