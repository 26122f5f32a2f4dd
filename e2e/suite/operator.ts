import { releaseChart } from '../kind/story.ts';
import type { Report } from '../rig/progress.ts';
import type { SuiteAccess } from './access.ts';

/** Selects the pods of operators. */
export const OPERATOR = 'app.kubernetes.io/name=synccluster-operator';

/** Values of the chart's release while tests run: equal ones restart no operator. */
export function operatorValues({ runBegan }: SuiteAccess): string[] {
  return [`podAnnotations.runBegan=${runBegan}`];
}

/** The chart of this checkout, with its defaults, installed and running whatever the release was before. */
export async function ensureOperator(access: SuiteAccess, report: Report): Promise<void> {
  await releaseChart(access, operatorValues(access), report);
}
