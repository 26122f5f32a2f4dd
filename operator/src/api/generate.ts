import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { crds } from './crds.ts';

const HELP = `usage: npm run crds [-- --check]
Writes crds/*.yaml and the chart's templates of them from operator/src/api. With --check nothing is written: exit 1
when a file is out of date.`;

const HEADER = '# Generated from operator/src/api by `npm run crds`. Do not edit.\n';

/** For `kubectl apply`, or as a template of the chart. */
export type CrdForm = 'manifest' | 'template';

/** Text of each CRD file, by file name. */
export function crdFiles(form: CrdForm = 'manifest'): Map<string, string> {
  return new Map(
    crds.map((crd) => [
      `${crd.metadata.name}.yaml`,
      form === 'manifest' ? HEADER + yaml(crd) : template(crd),
    ]),
  );
}

function yaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

/**
 * A template rather than a file of the chart's `crds/`, which Helm installs once and never upgrades. It stays when the
 * chart goes: with the definitions every SyncCluster and its data would go too.
 */
function template({ apiVersion, kind, metadata, spec }: (typeof crds)[number]): string {
  return [
    '{{- if .Values.crds.install }}\n',
    HEADER,
    yaml({
      apiVersion,
      kind,
      metadata: { name: metadata.name, annotations: { 'helm.sh/resource-policy': 'keep' } },
    }),
    '  labels:\n    {{- include "synccluster.labels" . | nindent 4 }}\n',
    // What looks like a template in a rule or a description is text.
    yaml({ spec }).replaceAll('{{', '{{ "{{" }}'),
    '{{- end }}\n',
  ].join('');
}

/** Names of the files in `folder` that differ from what would be generated. */
export async function outdatedFiles(folder: string, form: CrdForm = 'manifest'): Promise<string[]> {
  const outdated: string[] = [];
  for (const [name, text] of crdFiles(form)) {
    const current = await readFile(join(folder, name), 'utf8').catch(() => null);
    if (current !== text) outdated.push(name);
  }
  return outdated;
}

export async function writeFiles(folder: string, form: CrdForm = 'manifest'): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of crdFiles(form)) await writeFile(join(folder, name), text);
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
  const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
  const targets = [
    { folder: join(root, 'crds'), form: 'manifest' },
    { folder: join(root, 'charts/synccluster/templates/crds'), form: 'template' },
  ] as const;
  const outdated: string[] = [];
  for (const { folder, form } of targets) {
    if (!check) await writeFiles(folder, form);
    else for (const name of await outdatedFiles(folder, form)) outdated.push(join(folder, name));
  }
  for (const path of outdated) {
    console.error(`${relative(process.cwd(), path)} is out of date: run \`npm run crds\` and commit it`);
  }
  return outdated.length === 0 ? 0 : 1;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === process.argv[1]) {
  process.exitCode = await main(process.argv.slice(2));
}
