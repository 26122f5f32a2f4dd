import { createHash } from 'node:crypto';
import { readFileSync, renameSync } from 'node:fs';
import { arch } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { CommandError, run } from './command.ts';
import { PARTS, type Part } from './parts.ts';
import { cacheDir, MODULES_DIR } from './paths.ts';
import type { Report } from './progress.ts';

/** How often a build says how far it is. */
const REPORT_INTERVAL_MS = 10_000;

/** Name of a binary → its path. */
export type Binaries = Readonly<Record<string, string>>;

/** All binaries, from the cache where they are in it. */
export async function buildBinaries(report: Report): Promise<Binaries> {
  const paths: Record<string, string> = {};
  for (const part of PARTS) {
    const dir = await cached(join(cacheDir(), 'bin'), cacheKey(part), (made) => build(part, made, report));
    for (const name of Object.keys(part.binaries)) paths[name] = join(dir, name);
  }
  return paths;
}

/** What else decides over the binaries is in the key too, so that a changed pin is never served from the cache. */
function cacheKey(part: Part): string {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(MODULES_DIR, part.name, file)));
  hash.update(JSON.stringify([part.binaries, part.linkerValues ?? {}]));
  return `${part.name}-${part.version}-${arch()}-${hash.digest('hex').slice(0, 12)}`;
}

async function build(part: Part, dir: string, report: Report): Promise<void> {
  const cwd = join(MODULES_DIR, part.name);
  const env = { CGO_ENABLED: '0' };
  const packages = Object.values(part.binaries);
  const total = await countPackages(packages, cwd, env);
  const what = `${part.name} ${part.version}`;
  report(
    `building ${what} (${Object.keys(part.binaries).join(', ')}): ${total} packages, once on this machine`,
  );
  const linkerFlags = [
    '-s',
    '-w',
    ...Object.entries(part.linkerValues ?? {}).map(([k, v]) => `-X ${k}=${v}`),
  ];
  let compiled = 0;
  const timer = setInterval(
    () => report(`building ${what}: ${compiled} of ${total} packages`),
    REPORT_INTERVAL_MS,
  );
  try {
    await run(
      'go',
      ['build', '-v', '-trimpath', '-ldflags', linkerFlags.join(' '), '-o', `${dir}/`, ...packages],
      {
        cwd,
        env,
        onErrorLine: () => {
          compiled += 1;
        },
      },
    );
  } finally {
    clearInterval(timer);
  }
  for (const [name, source] of Object.entries(part.binaries)) {
    const built = builtName(source);
    if (built !== name) renameSync(join(dir, built), join(dir, name));
  }
}

/** Go names a binary after the last element of its package's path that is not a major version. */
function builtName(source: string): string {
  const elements = source.split('/').filter((element) => !/^v\d+$/.test(element));
  return elements.at(-1) ?? source;
}

async function countPackages(
  packages: readonly string[],
  cwd: string,
  env: Record<string, string>,
): Promise<number> {
  try {
    const list = await run('go', ['list', '-deps', ...packages], { cwd, env });
    return list.trim().split('\n').length;
  } catch (error) {
    if (error instanceof CommandError && error.stderr === '')
      throw new Error('Go is needed to build the parts of Kubernetes, and there is no `go` on the PATH');
    throw error;
  }
}
