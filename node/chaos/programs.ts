import { fileURLToPath } from 'node:url';
import type { Program } from './rig/memberProcess.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The built member: it starts much faster than its sources. */
export const BUILT_MEMBER: Program = {
  args: ['--max-semi-space-size=4', here('../dist/main.js')],
  environment: {},
};

/** From sources, for tests: nothing has to be built. */
export const MEMBER_SOURCES: Program = {
  args: ['--disable-warning=ExperimentalWarning', '--conditions=development', here('../src/main.ts')],
  environment: {},
};

/** The sources with one of the simulator's bugs planted in them. */
export function mutatedMember(name: string): Program {
  const [program, ...flags] = MEMBER_SOURCES.args.toReversed();
  return {
    args: [...flags.toReversed(), '--import', here('../sim/mutants/register.ts'), program as string],
    environment: { SYNCCLUSTER_MUTANT: name },
  };
}
