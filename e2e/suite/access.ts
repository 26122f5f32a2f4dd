import type { ClusterAccess } from '../kind/story.ts';
import { type Rig, runningRig } from '../rig/rig.ts';

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

/** The rig that the tests run on; null: they run on a cluster that is somebody else's, and what needs a rig is left out. */
export function rigOf({ isRig }: SuiteAccess): Rig | null {
  if (!isRig) return null;
  const rig = runningRig();
  // Or all that needs it would be left out without a word.
  if (rig === null) throw new Error('the rig that the tests run on has lost a process: see its logs');
  return rig;
}
