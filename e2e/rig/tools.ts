import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from './goBuild.ts';
import { KUBECONFIG, STATE_DIR } from './paths.ts';

/** What people type, in a folder of its own: in that of the cache are kubelets and API servers too. */
const TOOLS = ['kubectl', 'helm'];
const TOOLS_DIR = join(STATE_DIR, 'bin');

export function linkTools(binaries: Binaries): void {
  mkdirSync(TOOLS_DIR, { recursive: true });
  for (const name of TOOLS) {
    const link = join(TOOLS_DIR, name);
    if (!existsSync(link)) symlinkSync(binaries[name]!, link);
  }
}

/** For a shell, after which kubectl and helm are there and mean the rig. */
export const EXPORT_LINE = `export KUBECONFIG=${KUBECONFIG} PATH=${TOOLS_DIR}:$PATH`;
