import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { imageFromRoot } from './buildah.ts';
import { cached } from './cache.ts';
import { run } from './command.ts';
import { ctr } from './containerd.ts';
import type { Binaries } from './goBuild.ts';
import { cacheDir } from './paths.ts';
import type { Report } from './progress.ts';
import { BASE_IMAGE, BUSYBOX_IMAGE, NODES } from './settings.ts';

const IMAGES_DIR = (): string => join(cacheDir(), 'images');
const ARCHIVE = 'image.tar';
/** Raised when the way an image is made changes. */
const RECIPE = 1;

/** Puts an OCI archive's image into every node that runs, under the name that is in the archive. */
export async function loadImage(
  archive: string,
  binaries: Binaries,
  nodes?: readonly string[],
): Promise<void> {
  const names = nodes ?? NODES.map(({ name }) => name);
  await Promise.all(names.map((node) => ctr(node, binaries, ['images', 'import', archive])));
}

/** busybox alone: the pause image, which only has to wait, and the provisioner's helper, which needs a shell. */
export async function busyboxImage(report: Report): Promise<string> {
  const dir = await cached(IMAGES_DIR(), `busybox-${arch()}-${RECIPE}`, async (made) => {
    report('making the helper image');
    const rootDir = join(made, 'root');
    for (const folder of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev'])
      mkdirSync(join(rootDir, folder), { recursive: true });
    chmodSync(join(rootDir, 'tmp'), 0o1777);
    copyFileSync('/bin/busybox', join(rootDir, 'bin/busybox'));
    const applets = (await run('/bin/busybox', ['--list'])).trim().split('\n');
    for (const applet of applets)
      if (applet !== 'busybox') symlinkSync('busybox', join(rootDir, 'bin', applet));
    await imageFromRoot({
      name: BUSYBOX_IMAGE,
      rootDir,
      env: { PATH: '/bin' },
      command: ['/bin/sleep', '2147483647'],
      archive: join(made, ARCHIVE),
    });
    rmSync(rootDir, { recursive: true });
  });
  return join(dir, ARCHIVE);
}

const DEBIAN_RELEASE = 'bookworm';
const REPORT_INTERVAL_MS = 10_000;

async function bootstrap(rootDir: string, report: Report): Promise<void> {
  let step = '';
  const timer = setInterval(() => report(`making the base image: ${step}`), REPORT_INTERVAL_MS);
  try {
    await run('debootstrap', ['--variant=minbase', DEBIAN_RELEASE, rootDir], {
      onOutputLine: (line) => {
        step = line.replace(/^I: /, '');
      },
    });
  } finally {
    clearInterval(timer);
  }
}

const UNNEEDED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'var/cache/apt',
  'var/lib/apt/lists',
  'var/log',
];

/** Debian and the Node that the checkout's npm packages brought: what the project's images are built from. */
export async function baseImage(report: Report): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve('node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const key = `base-${DEBIAN_RELEASE}-node-${version}-${arch()}-${RECIPE}`;
  const dir = await cached(IMAGES_DIR(), key, async (made) => {
    report(
      `making the base image: Debian ${DEBIAN_RELEASE} and Node ${version}, once on this machine (about a minute)`,
    );
    const rootDir = join(made, 'root');
    await bootstrap(rootDir, report);
    for (const path of UNNEEDED) rmSync(join(rootDir, path), { recursive: true, force: true });
    for (const path of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial', 'var/log'])
      mkdirSync(join(rootDir, path), { recursive: true });
    writeFileSync(join(rootDir, 'etc/resolv.conf'), '');
    const node = join(rootDir, 'usr/local/bin/node');
    copyFileSync(join(dirname(manifest), 'bin/node'), node);
    chmodSync(node, 0o755);
    report('packing the base image');
    await imageFromRoot({
      name: BASE_IMAGE,
      rootDir,
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' },
      command: ['node'],
      archive: join(made, ARCHIVE),
    });
    rmSync(rootDir, { recursive: true });
  });
  return join(dir, ARCHIVE);
}
