import { kubeconfigOf } from './certificates.ts';
import { waitUntil } from './condition.ts';
import { answers } from './controlPlane.ts';
import type { Binaries } from './goBuild.ts';
import { hasEnded, start } from './processes.ts';
import { BRIDGE, CONTROL_LOOPBACK, NODES } from './settings.ts';

/** One for all nodes, as they share the machine's tables. */
export async function startServiceProxy(binaries: Binaries): Promise<void> {
  start({
    name: 'kube-proxy',
    path: binaries['kube-proxy']!,
    args: [
      `--kubeconfig=${kubeconfigOf('kube-proxy')}`,
      `--hostname-override=${NODES[0]!.name}`,
      '--proxy-mode=iptables',
      `--cluster-cidr=${BRIDGE.subnet}`,
      // Two pods on one bridge answer each other directly, past the translation of addresses; this makes them answer
      // the bridge.
      '--masquerade-all',
      '--iptables-localhost-nodeports=false',
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0',
      '--conntrack-tcp-timeout-close-wait=0',
      '--oom-score-adj=0',
      `--healthz-bind-address=${CONTROL_LOOPBACK}:10256`,
      `--metrics-bind-address=${CONTROL_LOOPBACK}:10249`,
      '--iptables-min-sync-period=100ms',
    ],
  });
  await waitUntil('kube-proxy', () => answers(`http://${CONTROL_LOOPBACK}:10256/healthz`), {
    timeoutMs: 60_000,
    hopeless: () => hasEnded('kube-proxy'),
  });
}
