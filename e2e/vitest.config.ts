import { defineConfig } from 'vitest/config';

/** For `npm run e2e`, which says by SYNCCLUSTER_E2E_ACCESS which cluster it is; `npm test` does not come here. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['development'] },
  ssr: { resolve: { conditions: ['development'] } },
  test: {
    include: ['suite/*.e2e.ts'],
    // One cluster, and each step goes on from the one before.
    fileParallelism: false,
    bail: 1,
    retry: 0,
    testTimeout: 600_000,
    hookTimeout: 300_000,
    pool: 'forks',
    reporters: ['verbose'],
    disableConsoleIntercept: true,
  },
});
