import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../images/build.ts';
import { run } from '../rig/command.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { EXPORT_LINE } from '../rig/tools.ts';
import { readAccess, rigOf } from './access.ts';
import { DEMO, SETTLE } from './demo.ts';
import { type ClusterObject, conditionOf, Namespace } from './kubernetes.ts';

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
/** Where the sample is. */
const space = new Namespace(access, 'default');

/** Blocks of commands below a head. */
function blocksBelow(head: string): string[] {
  const [, below = ''] = readFileSync(join(ROOT, 'README.md'), 'utf8').split(`\n## ${head}\n`);
  const section = below.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

async function removeSample(): Promise<void> {
  await space.kubectl(['delete', DEMO, '--ignore-not-found', '--cascade=foreground', '--timeout=2m']);
  const claims = ['persistentvolumeclaims', '--selector=app.kubernetes.io/instance=demo'];
  await space.kubectl(['delete', ...claims, '--timeout=2m']);
}

// It may touch the release and the namespace `default` of nobody else's cluster.
describe.skipIf(rig === null)('the README', () => {
  test('says what to type for a cluster by hand, and nothing more is needed', async () => {
    const blocks = blocksBelow('In a cluster');
    const toRig = blocks.find((block) => block.includes('e2e:up'))?.split('\n') ?? [];
    const byHand = blocks.find((block) => block.startsWith('helm ')) ?? '';
    expect(toRig).toEqual(['npm run e2e:up', EXPORT_LINE, 'npm run images -- --on rig', '']);
    for (const part of ['helm upgrade --install', 'kubectl apply', 'kubectl wait', 'kubectl scale'])
      expect(byHand).toContain(part);
    await removeSample();

    report(byHand.trim().split('\n').join(' · '));
    // Of this process's own environment nothing may be needed.
    const said = await run('/bin/bash', ['-euo', 'pipefail'], {
      cwd: ROOT,
      env: { PATH: '/usr/bin:/bin', KUBECONFIG: '' },
      stdin: `${EXPORT_LINE}\n${byHand}`,
      timeoutMs: 300_000,
    });
    for (const line of said.trim().split('\n').slice(-3)) report(line);
    await waitUntil(
      'five members',
      async () => {
        const { status } = await space.get<ClusterObject>(DEMO);
        const isSettled = conditionOf({ status: status ?? {} }, 'Progressing')?.status === 'False';
        return status?.replicas === 5 && status.readyReplicas === 5 && isSettled;
      },
      SETTLE,
    );
    await removeSample();
  });
});
