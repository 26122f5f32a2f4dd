import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../rig/command.ts';

export const BUILDER_NAMES = ['docker', 'podman', 'buildah'] as const;
export type BuilderName = (typeof BUILDER_NAMES)[number];

interface ImageBuild {
  /** With its tag. */
  readonly name: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly buildArgs: Readonly<Record<string, string>>;
}
export interface Builder {
  readonly name: BuilderName;
  /** The engine's own store, or one that goes with this builder. */
  build(image: ImageBuild, onLine: (line: string) => void): Promise<void>;
  /** Takes in the image of an OCI archive, to build from. */
  pull(archive: string): Promise<void>;
  /** Unpacked. */
  sizeBytes(name: string): Promise<number>;
  /** What containerd's `ctr images import` and `kind load image-archive` read. */
  save(name: string, archive: string): Promise<void>;
  close(): void;
}

/** Who builds: the one that was asked for, else the first that works. Says what is missing otherwise. */
export async function findBuilder(wanted: BuilderName | null, storage: string | null): Promise<Builder> {
  const why: string[] = [];
  for (const name of wanted === null ? BUILDER_NAMES : [wanted]) {
    try {
      await run(name, name === 'buildah' ? ['--version'] : ['info'], { timeoutMs: 20_000 });
      return name === 'buildah' ? buildah(storage) : engine(name);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      why.push(
        `${name}: ${text.includes('ENOENT') ? 'not installed' : (text.trim().split('\n').at(-1) ?? '')}`,
      );
    }
  }
  throw new Error(`nothing here builds images (${why.join('; ')})`);
}

function argumentsOf({ name, dockerfile, buildArgs, context }: ImageBuild): string[] {
  const args = Object.entries(buildArgs).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  return ['--file', dockerfile, '--tag', name, ...args, context];
}

function engine(name: 'docker' | 'podman'): Builder {
  return {
    name,
    build: async (image, onErrorLine) => {
      await run(name, ['build', ...argumentsOf(image)], { onErrorLine });
    },
    pull: async (archive) => {
      await run(name, ['load', '--input', archive]);
    },
    sizeBytes: async (image) =>
      numberOf(await run(name, ['image', 'inspect', '--format', '{{.Size}}', image]), image),
    save: async (image, archive) => {
      rmSync(archive, { force: true });
      const format = name === 'podman' ? ['--format', 'oci-archive'] : [];
      await run(name, ['save', ...format, '--output', archive, image]);
    },
    close: () => {},
  };
}

/** With a storage of its own, it needs neither rights nor settings that are missing inside containers. */
function buildah(storage: string | null): Builder {
  const global =
    storage === null
      ? []
      : ['--root', join(storage, 'root'), '--runroot', join(storage, 'run'), '--storage-driver', 'vfs'];
  const env: Record<string, string> = {};
  if (process.getuid?.() === 0 && process.env['BUILDAH_ISOLATION'] === undefined)
    env['BUILDAH_ISOLATION'] = 'chroot';
  if (storage !== null) env['TMPDIR'] = storage;
  const call = (args: readonly string[], onErrorLine?: (line: string) => void) =>
    run('buildah', [...global, ...args], { env, ...(onErrorLine === undefined ? {} : { onErrorLine }) });
  return {
    name: 'buildah',
    build: async (image, onLine) => {
      // OCI has no place for the SHELL and HEALTHCHECK of Docker's own format, and the images have neither.
      await call(['bud', '--format', 'oci', '--layers=false', ...argumentsOf(image)], onLine);
    },
    pull: async (archive) => {
      await call(['pull', '--quiet', `oci-archive:${archive}`]);
    },
    sizeBytes: async (image) => {
      const found: unknown = JSON.parse(await call(['images', '--json', image]));
      const size = Array.isArray(found) ? (found[0] as { size?: unknown }).size : undefined;
      return bytesOf(String(size), image);
    },
    save: async (image, archive) => {
      rmSync(archive, { force: true });
      await call(['push', '--quiet', image, `oci-archive:${archive}:${image}`]);
    },
    close: () => {
      if (storage !== null) rmSync(storage, { recursive: true, force: true });
    },
  };
}

function numberOf(text: string, image: string): number {
  const bytes = Number(text.trim());
  if (!Number.isFinite(bytes) || bytes <= 0) throw new Error(`no size of ${image}: ${text.trim()}`);
  return bytes;
}

/** buildah tells sizes as people read them. */
function bytesOf(text: string, image: string): number {
  const match = /^([\d.]+) ?(B|KB|MB|GB)$/i.exec(text.trim());
  const factor = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9 }[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || factor === undefined) throw new Error(`no size of ${image}: ${text}`);
  return Number(match[1]) * factor;
}
