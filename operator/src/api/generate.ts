import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { crds } from './crds.ts';

const HELP = `usage: npm run crds [-- --check]
Writes crds/*.yaml from operator/src/api. With --check nothing is written: exit 1 when a file is out of date.`;

/** Text of each CRD file, by file name. */
export function crdFiles(): Map<string, string> {
  const header = '# Generated from operator/src/api by `npm run crds`. Do not edit.\n';
  return new Map(
    crds.map((crd) => [
      `${crd.metadata.name}.yaml`,
      header + stringify(crd, { lineWidth: 0, aliasDuplicateObjects: false }),
    ]),
  );
}

/** Names of the files in `folder` that differ from what would be generated. */
export async function outdatedFiles(folder: string): Promise<string[]> {
  const outdated: string[] = [];
  for (const [name, text] of crdFiles()) {
    const current = await readFile(join(folder, name), 'utf8').catch(() => null);
    if (current !== text) outdated.push(name);
  }
  return outdated;
}

export async function writeFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of crdFiles()) await writeFile(join(folder, name), text);
}

async function main(args: string[]): Promise<number> {
  let check = false;
  try {
    const { values } = parseArgs({
      args,
      options: { check: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    check = values.check;
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}; see --help`);
    return 2;
  }
  // The compiled file and its source lie equally deep below the repository.
  const folder = join(dirname(fileURLToPath(import.meta.url)), '../../../crds');
  if (!check) {
    await writeFiles(folder);
    return 0;
  }
  const outdated = await outdatedFiles(folder);
  for (const name of outdated) {
    console.error(
      `${join(relative(process.cwd(), folder), name)} is out of date: run \`npm run crds\` and commit it`,
    );
  }
  return outdated.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2));
}
