import { machineMutants } from './machines.ts';
import type { Mutant } from './mutant.ts';
import { raftMutants } from './raft.ts';
import { replicaMutants } from './replica.ts';
import { storageMutants } from './storage.ts';
import { versionMutants } from './versions.ts';

export const MUTANTS: readonly Mutant[] = [
  ...storageMutants,
  ...raftMutants,
  ...replicaMutants,
  ...machineMutants,
  ...versionMutants,
];

export function mutantNamed(name: string): Mutant {
  const found = MUTANTS.find((mutant) => mutant.name === name);
  if (found !== undefined) return found;
  throw new Error(
    `no mutant is named ${name}; there are: ${MUTANTS.map((mutant) => mutant.name).join(', ')}`,
  );
}
