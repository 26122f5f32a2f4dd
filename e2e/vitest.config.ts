import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Looks at what all the others have left in the audit log. */
const LAST = 'rights.e2e.ts';

class RightsLast extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const byName = files.toSorted((a, b) => (a.moduleId < b.moduleId ? -1 : 1));
    const isLast = ({ moduleId }: TestSpecification): boolean => moduleId.endsWith(`/${LAST}`);
    return [...byName.filter((file) => !isLast(file)), ...byName.filter(isLast)];
  }
}

/** For `npm run e2e`, which says by SYNCCLUSTER_E2E_ACCESS which cluster it is; `npm test` does not come here. */
export default defineConfig({
  root: import.meta.dirname,
  resolve: { conditions: ['development'] },
  ssr: { resolve: { conditions: ['development'] } },
  test: {
    include: ['suite/*.e2e.ts'],
    // One cluster, and each step goes on from the one before.
    fileParallelism: false,
    sequence: { sequencer: RightsLast },
    bail: 1,
    retry: 0,
    testTimeout: 600_000,
    hookTimeout: 300_000,
    pool: 'forks',
    reporters: ['verbose'],
    disableConsoleIntercept: true,
  },
});
