import { parseArgs } from 'node:util';
import { rigWithImages } from '../kind/clusters.ts';
import { installPackages } from '../rig/debian.ts';
import { baseImage } from '../rig/images.ts';
import { timedReport } from '../rig/progress.ts';
import { BASE_IMAGE } from '../rig/settings.ts';
import { type BuiltImage, buildImages, DEFAULT_BASE, defaultOptions, type ImagesOptions } from './build.ts';
import { BUILDER_NAMES } from './builders.ts';
import { PRODUCTS, productNamed } from './products.ts';

const defaults = defaultOptions();
const HELP = `Builds the images of operator, node and bench with docker, podman or buildah.

Usage: npm run images [-- OPTIONS] [-- operator|node|bench…]

  --builder NAME        ${BUILDER_NAMES.join(' | ')} (default: the first that works)
  --repository NAME     what image names begin with (default ${defaults.repository})
  --tag TAG             their tag (default ${defaults.tag}, the version)
  --base IMAGE          base image, with Node 24 (default ${DEFAULT_BASE})
  --base-archive FILE   OCI archive that holds it, where it cannot be pulled
  --base rig            Debian and the Node of this checkout, made here without any registry of images (needs Linux
                        with Debian's packages, and root)
  --archive DIR         write an archive of each image to DIR, to load into nodes
  --on rig              for the Kubernetes that npm run e2e:up starts: as with --base rig, and put into its nodes
  --install here|inside where packages are installed: copied from this checkout, or by npm inside the build
                        (default ${defaults.install}; without this program, docker build -f node/Dockerfile . is "inside")
  -h, --help            this text

Prints one line per image: name, size unpacked, size of the program with its packages, size of the archive.`;

class UsageError extends Error {}

interface Request {
  readonly options: ImagesOptions;
  readonly ownBase: boolean;
  readonly onRig: boolean;
}

/** What the rig leaves no choice of. */
const NOT_ON_RIG = ['builder', 'base', 'base-archive', 'archive', 'install'] as const;

function readArguments(argv: readonly string[]): Request | null {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      builder: text,
      repository: text,
      tag: text,
      base: text,
      'base-archive': text,
      archive: text,
      install: text,
      on: text,
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return null;
  const onRig = oneOf('--on', values.on, ['rig'] as const) !== undefined;
  const needless = NOT_ON_RIG.find((flag) => onRig && values[flag] !== undefined);
  if (needless !== undefined) throw new UsageError(`--${needless} has no place beside --on rig`);
  const ownBase = values.base === 'rig';
  if (ownBase && values['base-archive'] !== undefined)
    throw new UsageError('--base rig makes its base image: --base-archive has no place beside it');
  return {
    ownBase,
    onRig,
    options: {
      builder: oneOf('--builder', values.builder, BUILDER_NAMES) ?? null,
      repository:
        matching('--repository', values.repository, /^[a-z0-9][a-z0-9._\-/:]*[a-z0-9]$/) ??
        defaults.repository,
      tag: matching('--tag', values.tag, /^\w[\w.-]{0,127}$/) ?? defaults.tag,
      baseImage: ownBase ? BASE_IMAGE : (values.base ?? defaults.baseImage),
      baseArchive: values['base-archive'] ?? null,
      archiveDir: values.archive ?? null,
      install: oneOf('--install', values.install, ['here', 'inside'] as const) ?? defaults.install,
      products: positionals.length === 0 ? PRODUCTS : positionals.map(productNamed),
    },
  };
}

function oneOf<T extends string>(
  flag: string,
  value: string | undefined,
  allowed: readonly T[],
): T | undefined {
  const found = allowed.find((each) => each === value);
  if (value !== undefined && found === undefined)
    throw new UsageError(`${flag} must be ${allowed.join(', ')}, but is ${value}`);
  return found;
}
function matching(flag: string, value: string | undefined, pattern: RegExp): string | undefined {
  if (value !== undefined && !pattern.test(value)) throw new UsageError(`${flag} cannot be ${value}`);
  return value;
}

const megabytes = (bytes: number | null) => (bytes === null ? '-' : `${(bytes / 1e6).toFixed(1)} MB`);

function table(images: readonly BuiltImage[]): string {
  const rows = [
    ['image', 'unpacked', 'program', 'archive'],
    ...images.map((image) => [
      image.name,
      megabytes(image.bytes),
      megabytes(image.treeBytes),
      image.archive === null ? '-' : `${megabytes(image.archiveBytes)} ${image.archive}`,
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

async function main(argv: readonly string[]): Promise<number> {
  let request: Request | null;
  try {
    request = readArguments(argv);
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message.split('\n')[0] : String(error)} (--help explains)\n`,
    );
    return 2;
  }
  if (request === null) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const report = timedReport();
  try {
    if (request.onRig) {
      const { images } = await rigWithImages(request.options, report);
      // The archives are gone once they are loaded.
      process.stdout.write(`${table(images.map((image) => ({ ...image, archive: null })))}\n`);
      return 0;
    }
    if (request.ownBase) await installPackages(report);
    const baseArchive = request.ownBase ? await baseImage(report) : request.options.baseArchive;
    const images = await buildImages({ ...request.options, baseArchive }, report);
    process.stdout.write(`${table(images)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
