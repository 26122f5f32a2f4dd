import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { arch, platform, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Report } from '../rig/progress.ts';
import { assemble } from './assemble.ts';
import { type Builder, type BuilderName, findBuilder } from './builders.ts';
import { PRODUCTS, type Product } from './products.ts';

/** Where the operator looks for the images it was released with. */
const REPOSITORY = 'ghcr.io/synccluster';
export const DEFAULT_BASE = 'node:24-bookworm-slim';

export interface ImagesOptions {
  readonly builder: BuilderName | null;
  /** Names of the images: `<repository>/<product>:<tag>`. */
  readonly repository: string;
  readonly tag: string;
  readonly baseImage: string;
  /** OCI archive with the base image, where it cannot be pulled. */
  readonly baseArchive: string | null;
  /** Folder for an OCI archive of each image; the images are kept nowhere else then. Null: the engine's own store. */
  readonly archiveDir: string | null;
  /** Where packages are installed: in the image's build stage, or here, from what is installed already. */
  readonly install: 'here' | 'inside';
  readonly products: readonly Product[];
}
export interface BuiltImage {
  readonly product: Product['name'];
  readonly name: string;
  readonly archive: string | null;
  /** Unpacked, base included. */
  readonly bytes: number;
  /** The program and its packages; null when it was assembled inside. */
  readonly treeBytes: number | null;
  /** What has to be moved; null without an archive. */
  readonly archiveBytes: number | null;
}

/** Where the Dockerfiles look for it. A repository never brings one: .dockerignore names it. */
const TREE = '.tree';

export const ROOT = resolve(import.meta.dirname, '../..');

function releaseVersion(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

export function defaultOptions(): ImagesOptions {
  return {
    builder: null,
    repository: REPOSITORY,
    tag: releaseVersion(),
    baseImage: DEFAULT_BASE,
    baseArchive: null,
    archiveDir: null,
    // Packages with native parts are installed for the machine they are installed on.
    install: platform() === 'linux' ? 'here' : 'inside',
    products: PRODUCTS,
  };
}

/** The repository has to be compiled. */
export async function buildImages(options: ImagesOptions, report: Report): Promise<BuiltImage[]> {
  const work = mkdtempSync(join(tmpdir(), 'synccluster-images-'));
  const archiveDir = options.archiveDir === null ? null : resolve(options.archiveDir);
  let builder: Builder | null = null;
  try {
    builder = await findBuilder(options.builder, archiveDir === null ? null : join(work, 'storage'));
    if (archiveDir !== null) mkdirSync(archiveDir, { recursive: true });
    if (builder.name === 'buildah' && archiveDir !== null) mkdirSync(join(work, 'storage'));
    report(`building with ${builder.name} for ${platform() === 'linux' ? arch() : "the engine's processor"}`);
    if (options.baseArchive !== null) {
      report('reading the base image');
      await builder.pull(resolve(options.baseArchive));
    }
    const built: BuiltImage[] = [];
    for (const product of options.products)
      built.push(await buildOne(options, builder, product, { work, archiveDir }, report));
    return built;
  } finally {
    builder?.close();
    rmSync(work, { recursive: true, force: true });
  }
}

async function buildOne(
  options: ImagesOptions,
  builder: Builder,
  product: Product,
  { work, archiveDir }: { readonly work: string; readonly archiveDir: string | null },
  report: Report,
): Promise<BuiltImage> {
  const name = `${options.repository}/${product.name}:${options.tag}`;
  const dockerfile = join(ROOT, product.workspace, 'Dockerfile');
  report(`${name}: building`);
  let context = ROOT;
  let treeBytes: number | null = null;
  if (options.install === 'here') {
    context = join(work, product.name);
    mkdirSync(context);
    treeBytes = assemble(ROOT, product, join(context, TREE)).bytes;
    copyFileSync(dockerfile, join(context, 'Dockerfile'));
  }
  await builder.build(
    {
      name,
      dockerfile: options.install === 'here' ? join(context, 'Dockerfile') : dockerfile,
      context,
      buildArgs: { BASE_IMAGE: options.baseImage, VERSION: options.tag },
    },
    (line) => {
      if (options.install === 'inside' && line.trim() !== '') report(`  ${line.trim().slice(0, 160)}`);
    },
  );
  const bytes = await builder.sizeBytes(name);
  let archive: string | null = null;
  if (archiveDir !== null) {
    archive = join(archiveDir, `${product.name}.tar`);
    await builder.save(name, archive);
  }
  const archiveBytes = archive === null ? null : statSync(archive).size;
  return { product: product.name, name, archive, bytes, treeBytes, archiveBytes };
}
