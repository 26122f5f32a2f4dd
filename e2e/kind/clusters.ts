import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BuiltImage, buildImages, defaultOptions, type ImagesOptions, ROOT } from '../images/build.ts';
import { run } from '../rig/command.ts';
import { installPackages } from '../rig/debian.ts';
import { baseImage } from '../rig/images.ts';
import type { Report } from '../rig/progress.ts';
import { bringUp, type Rig } from '../rig/rig.ts';
import { BASE_IMAGE } from '../rig/settings.ts';
import type { ClusterAccess } from './story.ts';

const NAME = 'synccluster';
const KUBECONFIG = join(ROOT, '.synccluster/kind.kubeconfig');
/** As many workers as members of the sample, so that each has a machine of its own. */
const CONFIG = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
${['control-plane', 'worker', 'worker', 'worker'].map((role) => `  - role: ${role}`).join('\n')}
`;

/** What keeps kind from working here, in one line; null: nothing. */
export async function whyNoKind(): Promise<string | null> {
  const probes: readonly (readonly [string, readonly string[]])[] = [
    ['docker', ['info']],
    ['kind', ['version']],
    ['kubectl', ['version', '--client']],
    ['helm', ['version']],
  ];
  const missing: string[] = [];
  for (const [program, args] of probes) {
    try {
      await run(program, args, { timeoutMs: 20_000 });
    } catch (error) {
      const isAbsent = error instanceof Error && error.message.includes('ENOENT');
      missing.push(isAbsent ? program : `a ${program} that works`);
    }
  }
  return missing.length === 0 ? null : missing.join(', ');
}

/** The kind cluster, made unless it exists, with the images of this checkout. */
export async function kindCluster(report: Report): Promise<ClusterAccess> {
  mkdirSync(join(ROOT, '.synccluster'), { recursive: true });
  const existing = (await run('kind', ['get', 'clusters'])).split('\n').map((line) => line.trim());
  if (existing.includes(NAME)) {
    report(`kind cluster ${NAME} exists`);
    await run('kind', ['export', 'kubeconfig', '--name', NAME, '--kubeconfig', KUBECONFIG]);
  } else {
    report(`creating kind cluster ${NAME}`);
    const args = [
      'create',
      'cluster',
      '--name',
      NAME,
      '--kubeconfig',
      KUBECONFIG,
      '--wait',
      '3m',
      '--config',
      '-',
    ];
    await run('kind', args, { stdin: CONFIG });
  }
  const images = await buildImages({ ...defaultOptions(), builder: 'docker' }, report);
  report('loading the images into the nodes');
  await run('kind', ['load', 'docker-image', '--name', NAME, ...images.map(({ name }) => name)]);
  return { kubeconfig: KUBECONFIG, kubectl: 'kubectl', helm: 'helm' };
}

export async function deleteKindCluster(report: Report): Promise<void> {
  report(`deleting kind cluster ${NAME}`);
  await run('kind', ['delete', 'cluster', '--name', NAME, '--kubeconfig', KUBECONFIG]);
  rmSync(KUBECONFIG, { force: true });
}

/** The cluster that needs no Docker, started unless it runs, with the images of this checkout. */
export async function rigCluster(report: Report): Promise<ClusterAccess> {
  const { rig } = await rigWithImages(defaultOptions(), report);
  const { kubectl = '', helm = '' } = rig.binaries;
  return { kubeconfig: rig.kubeconfig, kubectl, helm };
}

/** The rig, started unless it runs, and the images that were put into its nodes. */
export async function rigWithImages(
  options: Pick<ImagesOptions, 'repository' | 'tag' | 'products'>,
  report: Report,
): Promise<{ readonly rig: Rig; readonly images: readonly BuiltImage[] }> {
  const archiveDir = mkdtempSync(join(tmpdir(), 'synccluster-archives-'));
  try {
    await installPackages(report);
    const images = await buildImages(
      {
        ...defaultOptions(),
        ...options,
        builder: 'buildah',
        baseImage: BASE_IMAGE,
        baseArchive: await baseImage(report),
        archiveDir,
      },
      report,
    );
    const rig = await bringUp(report);
    report('loading the images into the nodes');
    for (const { archive } of images) if (archive !== null) await rig.loadImage(archive);
    return { rig, images };
  } finally {
    rmSync(archiveDir, { recursive: true, force: true });
  }
}
