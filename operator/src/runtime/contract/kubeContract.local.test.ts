import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { LocalKube } from '../../local/localKube.ts';
import { startLocalRuntime } from '../../local/localRuntime.ts';
import { kubeContract } from './kubeContract.ts';

kubeContract('local runtime', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'synccluster-contract-'));
  // Watches that keep ending are part of the contract: nobody may rely on one going on.
  const watchLifetimeMs = 60;
  const runtime = await startLocalRuntime({
    dir,
    logger: pino({ level: 'silent' }),
    watchLifetimeMs,
    programs: {},
  });
  let namespaces = 0;
  return {
    kube: runtime.kube,
    other: new LocalKube(runtime.store, 'somebody-else', { lifetimeMs: watchLifetimeMs, bookmarkMs: 1000 }),
    ancientVersion: '-1',
    async namespace() {
      namespaces += 1;
      return `ns-${namespaces}`;
    },
    async close() {
      await runtime.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
});
