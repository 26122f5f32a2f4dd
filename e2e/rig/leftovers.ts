import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runAnyway } from './command.ts';
import { CRI_NAMESPACE } from './containerd.ts';
import { nodePaths } from './paths.ts';
import { end } from './processes.ts';
import { identity, type ProcessIdentity } from './processIdentity.ts';

/** Ends every container of a node, and the shims that watched over them; containerd need not be there any more. */
export async function endContainers(node: string): Promise<void> {
  const root = join(nodePaths(node).runcRoot, CRI_NAMESPACE);
  const ids = (await runAnyway('runc', ['--root', root, 'list', '--quiet']))
    .split('\n')
    .filter((id) => id !== '');
  // A shim that saw its container end would tell containerd and tidy up: end the shims first.
  const socket = nodePaths(node).containerdSocket;
  await Promise.all(
    processesWith('containerd-shim-runc-v2', socket).map((shim) => end(shim, 'a shim', 'SIGKILL')),
  );
  await Promise.all(ids.map((id) => runAnyway('runc', ['--root', root, 'delete', '--force', id])));
}

/** Processes of a program that were given `argument`: a path of the rig, so they are the rig's. */
function processesWith(program: string, argument: string): ProcessIdentity[] {
  const found: ProcessIdentity[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      if (args[0]?.endsWith(`/${program}`) && args.includes(argument)) found.push(identity(Number(entry)));
    } catch {
      // It ended in between.
    }
  }
  return found;
}

/** Takes away every mount below a folder, the innermost first. */
export async function unmountBelow(dir: string): Promise<void> {
  for (const path of mountsBelow(dir).reverse()) {
    try {
      await run('umount', [path]);
    } catch {
      // In use for a moment longer; detached now, it goes with its last user.
      await runAnyway('umount', ['--lazy', path]);
    }
  }
  const left = mountsBelow(dir);
  if (left.length > 0) throw new Error(`cannot unmount ${left.join(', ')}`);
}

/** In the order they were mounted. */
function mountsBelow(dir: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeMount(line.split(' ')[4] ?? ''))
    .filter((path) => path.startsWith(`${dir}/`));
}

/** The kernel writes spaces and the like as octal numbers. */
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
