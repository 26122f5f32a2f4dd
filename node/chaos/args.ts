import { parseArgs } from 'node:util';
import { mutantNamed } from '../sim/mutants/catalogue.ts';

export const HELP = `Attacks a cluster of real member processes under load, and checks what clients saw.

Usage: npm run chaos -- [OPTIONS]

  --minutes N    how long faults last; 0.5 to 600 (default 3)
  --seed S       of the plan of faults and of the workload (default: drawn, and printed)
  --out DIR      where members' logs, the history, the nemesis' log and the verdict go, and stay; it must be empty
                 (default: a temporary folder that goes if all is well)
  --mutant NAME  plants one of the simulator's bugs in the members: then it is to be noticed
  --no-disk-full without the member whose small volume fills up, for which a file system has to be mounted
  -h, --help     this text

Linux only. Members listen on addresses of their own under 127.0.0.0/8; every link between them, and from clients, leads
through a proxy. Exit 0: nothing acknowledged was lost, nothing was granted twice, and all faults that were due took
place, or the planted bug was noticed; 1: otherwise, or the run could not be made; 2: bad arguments; 130: interrupted.`;

export interface ChaosArgs {
  readonly durationMs: number;
  /** Null: to be drawn. */
  readonly seed: number | null;
  readonly out: string | null;
  readonly diskFull: boolean;
  /** Null: none. */
  readonly mutant: string | null;
}

export class BadArguments extends Error {}

const SEED_MAX = 2 ** 48;

/** `help`, or what is asked for. Throws `BadArguments`. */
export function readArgs(argv: readonly string[]): ChaosArgs | 'help' {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      strict: true,
      options: {
        minutes: { type: 'string' },
        seed: { type: 'string' },
        out: { type: 'string' },
        mutant: { type: 'string' },
        'no-disk-full': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new BadArguments(`${(error as Error).message}; --help lists the options`);
  }
  if (values['help'] === true) return 'help';
  const minutes = Number(values['minutes'] ?? 3);
  if (!(minutes >= 0.5 && minutes <= 600)) {
    throw new BadArguments('--minutes must be a number from 0.5 to 600');
  }
  const seed = values['seed'] === undefined ? null : Number(values['seed']);
  if (seed !== null && !(Number.isSafeInteger(seed) && seed >= 0 && seed < SEED_MAX)) {
    throw new BadArguments(`--seed must be a whole number from 0 to ${SEED_MAX - 1}`);
  }
  const out = values['out'];
  if (out === '') throw new BadArguments('--out must name a folder');
  const mutant = values['mutant'];
  try {
    if (typeof mutant === 'string') mutantNamed(mutant);
  } catch (error) {
    throw new BadArguments(`--mutant: ${(error as Error).message}`);
  }
  return {
    durationMs: Math.round(minutes * 60_000),
    seed,
    out: typeof out === 'string' ? out : null,
    diskFull: values['no-disk-full'] !== true,
    mutant: typeof mutant === 'string' ? mutant : null,
  };
}
