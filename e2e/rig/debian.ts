import { run } from './command.ts';
import type { Report } from './progress.ts';

/** Package of Debian and its relatives → what it is for. */
const PACKAGES: Readonly<Record<string, string>> = {
  runc: 'runs containers',
  'containernetworking-plugins': 'gives pods their network',
  iptables: 'Services',
  iproute2: 'the bridge',
  mount: 'volumes',
  openssl: 'certificates',
  buildah: 'builds images',
  debootstrap: 'the base image',
  'busybox-static': 'the helper image',
};

/** Installs what is missing. */
export async function installPackages(report: Report): Promise<void> {
  const missing = await missingPackages();
  if (missing.length === 0) return;
  report(`installing Debian packages: ${missing.map((name) => `${name} (${PACKAGES[name]})`).join(', ')}`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  try {
    await run('apt-get', install, { env });
  } catch {
    // The lists of packages may be absent or too old to be found any more.
    report('reading the lists of packages anew');
    await run('apt-get', ['update'], { env });
    await run('apt-get', install, { env });
  }
}

async function missingPackages(): Promise<string[]> {
  let known: string;
  try {
    known = await run('dpkg-query', ['-W', '-f', `\${Package} \${db:Status-Status}\\n`]);
  } catch (error) {
    throw new Error('the rig needs Debian or a relative of it (dpkg-query, apt-get)', { cause: error });
  }
  const installed = new Set(
    known.split('\n').flatMap((line) => (line.endsWith(' installed') ? [line.split(' ')[0]] : [])),
  );
  return Object.keys(PACKAGES).filter((name) => !installed.has(name));
}
