import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { run } from './command.ts';
import type { Report } from './progress.ts';

interface Tool {
  /** Of Debian and its relatives. */
  readonly package: string;
  readonly purpose: string;
  /** A program, or a file by its path, that is there only once the package is. */
  readonly shownBy: string;
}

/** Looked for by what they bring, so that a runc or iptables from elsewhere is used and not replaced. */
const TOOLS: readonly Tool[] = [
  { package: 'runc', purpose: 'runs containers', shownBy: 'runc' },
  {
    package: 'containernetworking-plugins',
    purpose: 'gives pods their network',
    shownBy: '/usr/lib/cni/host-local',
  },
  { package: 'iptables', purpose: 'Services', shownBy: 'iptables' },
  { package: 'iproute2', purpose: 'the bridge', shownBy: 'ip' },
  { package: 'mount', purpose: 'volumes', shownBy: 'umount' },
  { package: 'openssl', purpose: 'certificates', shownBy: 'openssl' },
  { package: 'buildah', purpose: 'builds images', shownBy: 'buildah' },
  { package: 'debootstrap', purpose: 'the base image', shownBy: 'debootstrap' },
  // A busybox that is not static has the same path, and would not run in an image of its own.
  {
    package: 'busybox-static',
    purpose: 'the helper image',
    shownBy: '/var/lib/dpkg/info/busybox-static.list',
  },
];

/** Installs what is missing. */
export async function installPackages(report: Report): Promise<void> {
  const missing = TOOLS.filter(({ shownBy }) => !isThere(shownBy));
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.package);
  if (!isThere('apt-get'))
    throw new Error(
      `the rig needs what these Debian packages bring, and there is no apt-get: ${names.join(', ')}`,
    );
  report(`installing ${missing.map((tool) => `${tool.package} (${tool.purpose})`).join(', ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '--no-install-recommends', ...names];
  try {
    await run('apt-get', install, { env });
  } catch {
    // The lists of packages may be absent, or name versions that are gone.
    report('reading the lists of packages anew');
    await run('apt-get', ['update'], { env });
    await run('apt-get', install, { env });
  }
}

function isThere(programOrPath: string): boolean {
  if (isAbsolute(programOrPath)) return existsSync(programOrPath);
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => folder !== '' && existsSync(join(folder, programOrPath)));
}
