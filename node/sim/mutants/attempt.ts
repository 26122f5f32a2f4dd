import { isInvariant } from '../../src/errors.ts';
import { unplanted } from './register.ts';

/*
 * `attempt.ts FROM TO`: runs seeds until one shows something broken, with the mutant that SYNCCLUSTER_MUTANT names
 * planted, and says so in one line of JSON. A process of its own for each mutant, because sources are loaded once.
 */

/** What an attempt prints last. */
export interface Finding {
  readonly seed: number;
  readonly checker: string;
  readonly what: string;
}

const [from, to] = process.argv.slice(2).map(Number);
if (from === undefined || to === undefined) throw new Error('which seeds?');

// Not before the hook is in place: a static import would have loaded the sources already.
const { simulate } = await import('../run/simulation.ts');
const { drawPlan } = await import('../run/plan.ts');

/** Null: nothing was broken. What could not be decided does not count as found. */
async function attempt(seed: number): Promise<Finding | null> {
  const { violations, error } = await simulate(drawPlan(seed, null), { transcriptPath: null });
  const broken = violations.find(({ verdict }) => verdict === 'broken');
  if (broken !== undefined) return { seed, checker: broken.checker, what: broken.what };
  if (error === null) return null;
  const what = error instanceof Error ? error.message : String(error);
  return { seed, checker: isInvariant(error) ? 'an assertion of the product' : 'the run itself', what };
}

let found: Finding | null = null;
for (let seed = from; seed <= to && found === null; seed++) found = await attempt(seed);
if (unplanted().length > 0) throw new Error(`never loaded: ${unplanted().join(', ')}`);
process.stdout.write(`${JSON.stringify(found)}\n`);
process.exit(0);
