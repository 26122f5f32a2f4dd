import { expect, test } from 'vitest';
import { serviceRules } from '../serviceChains.ts';

const SAVED = `# Generated
*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -p tcp -m comment --comment "mine, not KUBE-FIREWALL" -j DOCKER
-A FORWARD -m comment --comment "kubernetes \\"forwarding\\" rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m comment --comment "inside" -j KUBE-FIREWALL
COMMIT
`;

test('chains of Services and the jumps into them are found, those of others are not', () => {
  expect(serviceRules(SAVED)).toEqual({
    chains: ['KUBE-FIREWALL', 'KUBE-FORWARD'],
    jumps: [
      ['INPUT', '-j', 'KUBE-FIREWALL'],
      ['FORWARD', '-m', 'comment', '--comment', 'kubernetes "forwarding" rules', '-j', 'KUBE-FORWARD'],
    ],
  });
});

test('a rule without a target jumps nowhere', () => {
  expect(serviceRules('-A INPUT -p tcp')).toEqual({ chains: [], jumps: [] });
});
