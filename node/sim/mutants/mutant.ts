import type { Choices, FaultName } from '../run/plan.ts';

/** An exact replacement in one source file. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file, or the mutant no longer means anything. */
  readonly find: string;
  readonly replace: string;
}

/** A planted bug: the product's code stays clean, and the simulator must notice what these edits break. */
export interface Mutant {
  readonly name: string;
  readonly edits: readonly Edit[];
  /** The promise that is broken, and why nobody would see it at once. */
  readonly why: string;
  /** One of these must notice it, or it counts as not noticed; `run`: the members or the world themselves. */
  readonly checkers: readonly string[];
  /** What strikes its runs, instead of what each seed draws: where the bug needs a rare meeting of faults. */
  readonly faults?: readonly FaultName[];
  /** What else of its runs is not drawn. */
  readonly choices?: Choices;
  /** Seeds 1 to this must be enough. */
  readonly maxSeeds: number;
}

/** The file with the edit made. Throws when what it replaces is not there, or not only there. */
export function applyEdit(source: string, edit: Edit): string {
  const parts = source.split(edit.find);
  if (parts.length !== 2) {
    throw new Error(
      `${edit.file} has ${parts.length - 1} places for a mutation that needs one: ${edit.find}`,
    );
  }
  return parts.join(edit.replace);
}

/** The file with all of the mutant's edits to it made, one after the other. */
export function applyMutant(mutant: Mutant, file: string, source: string): string {
  let mutated = source;
  for (const edit of mutant.edits) if (edit.file === file) mutated = applyEdit(mutated, edit);
  return mutated;
}
