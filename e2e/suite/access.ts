import type { ClusterAccess } from '../kind/story.ts';

/** By which the command tells the tests, in a process of their own, where the cluster is. */
export const ACCESS_VARIABLE = 'SYNCCLUSTER_E2E_ACCESS';

export interface SuiteAccess extends ClusterAccess {
  /** Its machines can be reached from here, and so can its audit log. */
  readonly isRig: boolean;
  /** When this run began, in RFC 3339. Images keep their tags: pods of the operator started since have its own. */
  readonly runBegan: string;
}

export function readAccess(): SuiteAccess {
  const text = process.env[ACCESS_VARIABLE];
  if (text === undefined) throw new Error('these tests need a cluster: start them by npm run e2e');
  return JSON.parse(text) as SuiteAccess;
}
