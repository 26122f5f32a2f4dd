import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '../../..');
const CHART = join(ROOT, 'charts/synccluster');
const text = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('the Grafana dashboard', () => {
  const dashboard = JSON.parse(text('charts/synccluster/files/dashboard.json')) as {
    panels: {
      title: string;
      type: string;
      targets?: { expr: string }[];
      gridPos: Record<'x' | 'w', number>;
    }[];
  };
  const sources = [
    'node/src/metrics.ts',
    'node/src/http/listener.ts',
    'operator/src/runtime/metrics.ts',
    'operator/src/main.ts',
  ];
  const defined = new Set(
    sources.flatMap((path) =>
      [...text(path).matchAll(/'((?:synccluster|process)_[a-z0-9_]+)'/g)].map(([, name]) => name),
    ),
  );

  it('asks only for metrics that members and operators have', () => {
    const asked = dashboard.panels
      .flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
      .flatMap((expr) => expr.match(/\b(?:synccluster|process)_[a-z0-9_]+/g) ?? [])
      .map((name) => name.replace(/_(?:bucket|count|sum)$/, ''));
    expect(asked.length).toBeGreaterThan(30);
    expect(asked.filter((name) => !defined.has(name))).toEqual([]);
  });

  it('shows every metric of a member', () => {
    const shown = JSON.stringify(dashboard);
    const members = [...text('node/src/metrics.ts').matchAll(/'(synccluster_[a-z0-9_]+)'/g)].map(
      ([, name = '']) => name,
    );
    expect(members.filter((name) => !shown.includes(name))).toEqual([]);
  });

  it('fits its grid, and every panel asks something', () => {
    expect(dashboard.panels.filter(({ gridPos }) => gridPos.x + gridPos.w > 24)).toEqual([]);
    expect(dashboard.panels.filter(({ type, targets }) => type !== 'row' && !targets?.length)).toEqual([]);
  });
});

describe('the chart', () => {
  it('has the version that is released', () => {
    const { version } = JSON.parse(text('package.json')) as { version: string };
    const chart = text('charts/synccluster/Chart.yaml');
    expect(chart).toContain(`\nversion: ${version}\n`);
    expect(chart).toContain(`\nappVersion: ${version}\n`);
    expect(text('operator/src/desired/images.ts')).toContain(`RELEASE = '${version}'`);
  });

  it('tells people the short names under which they see their objects listed', () => {
    const short = readdirSync(join(ROOT, 'crds')).map(
      (name) => text(`crds/${name}`).match(/shortNames:\n\s+- (\w+)/)?.[1],
    );
    const together = `kubectl get ${short.sort().reverse().join()}`;
    for (const place of ['README.md', 'templates/NOTES.txt'])
      expect(text(`charts/synccluster/${place}`)).toContain(together);
  });

  it('says which version of Kubernetes it was tested with', () => {
    const tested = text('e2e/rig/parts.ts').match(/KUBERNETES_VERSION = 'v(\d+\.\d+)/)?.[1];
    expect(text('charts/synccluster/README.md')).toContain(`Tested with Kubernetes ${tested}`);
  });

  it('names no Secret in any rule', () => {
    const templates = ['_helpers.tpl', 'rbac.yaml', 'aggregated-roles.yaml'].map((name) =>
      text(`charts/synccluster/templates/${name}`),
    );
    for (const template of templates)
      expect(template).not.toMatch(/secrets|'\*'|"\*"|\[\*\]|escalate\]|bind\]/);
  });
});

const helm = findHelm();

/** On the PATH, or the one that the rig builds. */
function findHelm(): string | null {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'synccluster-e2e/bin');
  const built = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('helm-')) : [];
  for (const candidate of ['helm', ...built.map((name) => join(cache, name, 'helm'))]) {
    try {
      execFileSync(candidate, ['version'], { stdio: 'ignore' });
      return candidate;
    } catch {
      // The next one.
    }
  }
  return null;
}

function template(...args: string[]): string {
  return templateAs('synccluster', 'system', ...args);
}
function templateAs(release: string, namespace: string, ...args: string[]): string {
  return execFileSync(helm ?? '', ['template', release, CHART, '--namespace', namespace, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  }).toString();
}
const NAMED = /^(name|namespace|instance|.*\/instance|serviceAccountName|priorityClassName)$/;
/** What should be text, by its key or as an item of a list, and is a number or the like to Kubernetes. */
function notText(value: unknown, key: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => notText(item, key));
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([inner, each]) => notText(each, inner));
  const isNamed = NAMED.test(key) || ['args', 'resourceNames', 'matchNames', 'values'].includes(key);
  return isNamed && typeof value !== 'string' ? [`${key}: ${String(value)}`] : [];
}
function notTextIn(rendered: string): string[] {
  return parseAllDocuments(rendered, { version: '1.1' }).flatMap((document) => {
    expect(document.errors).toEqual([]);
    return notText(document.toJS(), '');
  });
}
const kinds = (rendered: string) => [...rendered.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind);

describe.skipIf(helm === null)('the chart, rendered', () => {
  it('is found without fault by Helm', () => {
    execFileSync(helm ?? '', ['lint', '--strict', CHART], { stdio: 'pipe' });
  });

  it('holds the very definitions that stand in crds/', () => {
    const rendered = template();
    for (const name of readdirSync(join(ROOT, 'crds'))) {
      const spec = text(`crds/${name}`).split(/^spec:$/m)[1] ?? '';
      expect(spec.length).toBeGreaterThan(1000);
      expect(rendered).toContain(spec.trimEnd());
    }
    expect(template('--set', 'crds.install=false')).not.toContain('CustomResourceDefinition');
  });

  it('grants rights in the listed namespaces only', () => {
    const everywhere = kinds(template('--set', 'rbac.aggregate=false'));
    expect(everywhere.filter((kind) => kind === 'ClusterRole')).toHaveLength(1);
    const listed = template('--set', 'rbac.aggregate=false,namespaces={shop,billing}');
    expect(listed).not.toContain('ClusterRole');
    expect(listed).toContain('--namespaces=shop,billing');
    expect(kinds(listed).filter((kind) => kind === 'Role')).toHaveLength(3);
  });

  it('may delete whatever it changes the owner of', () => {
    const role = template('--set', 'rbac.aggregate=false').split(/^kind: ClusterRole$/m)[1] ?? '';
    const rules = [...role.matchAll(/resources: \[(.+)\]\n\s+verbs: \[(.+)\]/g)];
    const granted = rules.flatMap(([, resources = '', verbs = '']) =>
      resources.split(', ').map((resource) => ({ resource, verbs: verbs.split(', ') })),
    );
    const patched = granted.filter(({ resource, verbs }) => resource !== 'events' && verbs.includes('patch'));
    expect(patched.map(({ resource }) => resource)).toEqual(
      expect.arrayContaining(['statefulsets', 'services', 'serviceaccounts', 'roles', 'rolebindings']),
    );
    expect(patched.filter(({ verbs }) => !verbs.includes('delete'))).toEqual([]);
  });

  it('tells the operator where clusters take their images from', () => {
    expect(template()).not.toContain('-image=');
    const mirrored = template(
      '--set',
      'clusterImages.node=mirror:5000/node:1,clusterImages.bench=mirror:5000/bench:1',
    );
    expect(mirrored).toContain('--node-image=mirror:5000/node:1');
    expect(mirrored).toContain('--bench-image=mirror:5000/bench:1');
  });

  it.each([
    ['networkPolicy.enabled=true', 'NetworkPolicy', 1],
    ['podMonitor.enabled=true', 'PodMonitor', 2],
    ['podMonitor.enabled=true,podMonitor.members=false', 'PodMonitor', 1],
    ['dashboard.enabled=true', 'ConfigMap', 1],
    ['replicas=2', 'PodDisruptionBudget', 1],
    ['replicas=1', 'PodDisruptionBudget', 0],
  ])('with %s has so many of %s: %i', (values, kind, count) => {
    expect(kinds(template('--set', values)).filter((each) => each === kind)).toHaveLength(count);
  });

  it.each([
    ['123', '456'],
    ['true', 'null'],
    ['1e3', '0x1f'],
  ])('takes release %s in namespace %s for text', (release, namespace) => {
    const on = 'networkPolicy.enabled=true,podMonitor.enabled=true,dashboard.enabled=true,crds.install=false';
    const odd =
      'serviceAccount.name=1e3,dashboard.namespace=12,priorityClassName=7,image.pullSecrets[0].name=5';
    const args = ['--set', on, '--set-string', odd];
    expect(notTextIn(templateAs(release, namespace, ...args))).toEqual([]);
    expect(
      notTextIn(templateAs(release, namespace, ...args, '--set-string', 'namespaces={12,true}')),
    ).toEqual([]);
  });

  // Helm takes what is null out of the values before it looks at the schema.
  it.each([
    'namespaces',
    'image',
    'image.repository',
    'image.pullPolicy',
    'clusterImages',
    'crds',
    'rbac.create',
    'serviceAccount',
    'serviceAccount.annotations',
    'replicas',
    'workers',
    'logLevel',
    'leaderElection.leaseDurationSeconds',
    'networkPolicy.apiServerPorts',
    'podMonitor.interval',
    'podMonitor.labels',
    'dashboard.labels',
    'commonLabels',
    'podAnnotations',
    'test.timeoutSeconds',
  ])('refuses null for %s', (path) => {
    const on = 'networkPolicy.enabled=true,podMonitor.enabled=true,dashboard.enabled=true';
    expect(() => template('--set', on, '--set', `${path}=null`)).toThrow(/specifications of the schema/);
  });

  it('refuses to let nobody in particular read metrics', () => {
    expect(() => template('--set-json', 'networkPolicy.metricsFrom=[{}]')).toThrow(
      /specifications of the schema/,
    );
  });

  it('takes null for nothing wanted where that is possible', () => {
    const optional = [
      ...['image.tag', 'image.digest', 'image.pullSecrets', 'clusterImages.node', 'clusterImages.bench'],
      ...['serviceAccount.name', 'networkPolicy.metricsFrom', 'dashboard.namespace', 'extraEnv'],
      ...['priorityClassName', 'nodeSelector', 'tolerations', 'affinity', 'resources.limits'],
    ];
    const on = 'networkPolicy.enabled=true,dashboard.enabled=true,crds.install=false';
    const rendered = template('--set', on, '--set', optional.map((path) => `${path}=null`).join());
    expect(rendered).toBe(template('--set', on, '--set', 'resources.limits=null'));
    expect(rendered).not.toContain('null');
  });

  it.each([
    'priorityClassName=a: b',
    'image.pullSecrets[0].name=a: b',
    'serviceAccount.name=a: b',
    'replicas=nonsense',
    'replicas=0',
    'replica=2',
    'namespaces={Not_A_Name}',
    'logLevel=loud',
    'image.pullPolicy=Sometimes',
    'clusterImages.node=A name',
    'resources.request.cpu=1',
    'podMonitor.interval=often',
    'networkPolicy.apiServerPorts={70000}',
    'commonLabels.app\\.kubernetes\\.io/name=other',
  ])('refuses %s', (value) => {
    expect(() => template('--set', value)).toThrow(/specifications of the schema/);
  });
});
