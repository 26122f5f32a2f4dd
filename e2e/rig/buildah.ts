import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './command.ts';

/** Runs buildah on a storage of its own and gives its output. */
type Buildah = (...args: string[]) => Promise<string>;

/** Where it notes layers it has seen, whatever storage it is given. */
const SHARED_CACHE = '/var/lib/containers';

/** Gives `work` a buildah whose storage is gone afterwards. */
async function withBuildah<T>(work: (buildah: Buildah) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), 'synccluster-e2e-images-'));
  const storage = ['--root', join(dir, 'root'), '--runroot', join(dir, 'run'), '--storage-driver', 'vfs'];
  // Its networks are looked for in /etc otherwise, and the folder made.
  const config = join(dir, 'containers.conf');
  writeFileSync(config, `[network]\nnetwork_config_dir = "${join(dir, 'networks')}"\n`);
  // The isolation needs no container runtime and no rights that are missing inside a container.
  const env = { BUILDAH_ISOLATION: 'chroot', CONTAINERS_CONF: config, TMPDIR: dir };
  const firstUse = !existsSync(SHARED_CACHE);
  try {
    return await work((...args) => run('buildah', [...storage, ...args], { env }));
  } finally {
    rmSync(dir, { recursive: true, force: true });
    if (firstUse) rmSync(SHARED_CACHE, { recursive: true, force: true });
  }
}

export interface RootImage {
  readonly name: string;
  /** Holds the image's root. */
  readonly rootDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  /** OCI archive to write. */
  readonly archive: string;
}

/** An image of one layer from a folder. */
export async function imageFromRoot({ name, rootDir, env, command, archive }: RootImage): Promise<void> {
  await withBuildah(async (buildah) => {
    const container = (await buildah('from', 'scratch')).trim();
    await buildah('copy', '--quiet', container, rootDir, '/');
    const environment = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
    await buildah('config', ...environment, '--cmd', JSON.stringify(command), container);
    await buildah('commit', '--quiet', '--format', 'oci', container, `oci-archive:${archive}:${name}`);
  });
}
