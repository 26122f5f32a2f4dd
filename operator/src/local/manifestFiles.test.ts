import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CONFIG_MAPS } from './kinds.ts';
import { type LocalRuntime, startLocalRuntime } from './localRuntime.ts';
import { ManifestFiles, parseManifests } from './manifestFiles.ts';

const configMap = (name: string, x: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {x: "${x}"}\n---\n`;
let dir: string;
let file: string;
let runtime: LocalRuntime;
let manifests: ManifestFiles;
let problems: string[];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-manifests-'));
  file = join(dir, 'all.yaml');
  await start();
});
afterEach(async () => {
  manifests.stop();
  await runtime.stop();
  rmSync(dir, { recursive: true, force: true });
});
async function start(): Promise<void> {
  problems = [];
  runtime = await startLocalRuntime({
    dir: join(dir, 'runtime'),
    logger: pino({ level: 'silent' }),
    programs: {},
  });
  manifests = new ManifestFiles(runtime, [file], {
    info: () => undefined,
    problem: (line) => problems.push(line),
  });
}
const value = (name: string): unknown =>
  runtime.store.get(CONFIG_MAPS, { namespace: 'default', name })?.['data'];
async function until(what: string, check: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`waited too long for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('manifests', () => {
  it('are followed: edits are applied, broken ones change nothing, what is taken out is deleted', async () => {
    writeFileSync(file, configMap('a', '1') + configMap('b', '1'));
    manifests.applyAll();
    manifests.watch();
    expect([value('a'), value('b')]).toEqual([{ x: '1' }, { x: '1' }]);
    writeFileSync(file, 'x: [');
    await until('the complaint', () => problems.length === 1);
    expect(problems[0]).toMatch(/^all\.yaml: .*line 1/);
    writeFileSync(file, '');
    await until('the next complaint', () => problems.length === 2);
    expect([value('a'), value('b')]).toEqual([{ x: '1' }, { x: '1' }]);
    writeFileSync(file, configMap('a', '2'));
    await until('the edit', () => JSON.stringify(value('a')) === '{"x":"2"}');
    expect(value('b')).toBeUndefined();
    rmSync(file);
    await until('the last complaint', () => problems.length === 3);
    expect(problems[2]).toBe('all.yaml: no such file');
    expect(value('a')).toEqual({ x: '2' });
  });

  it('taken out while nothing ran are deleted at the next start', async () => {
    writeFileSync(file, configMap('a', '1') + configMap('b', '1'));
    manifests.applyAll();
    await runtime.stop();
    writeFileSync(file, configMap('b', '1'));
    await start();
    manifests.applyAll();
    expect([value('a'), value('b')]).toEqual([undefined, { x: '1' }]);
  });

  it('that are refused at the start are told, each in one line', () => {
    const cluster = (members: number): string =>
      `apiVersion: synccluster.io/v1alpha1\nkind: SyncCluster\nmetadata: {name: db}\nspec: {members: ${members}}\n---\n`;
    writeFileSync(file, `${cluster(4)}apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n`);
    expect(() => manifests.applyAll()).toThrow(
      'all.yaml: SyncCluster "db" is invalid: spec.members: Unsupported value: 4: supported values: 1, 3, 5\nall.yaml: no kind Nonsense in v1 in local mode',
    );
  });

  it.each([
    ['- a', 'a document is not an object'],
    ['a: 1', 'an object without apiVersion or kind'],
    ['apiVersion: v1\nkind: ConfigMap', 'ConfigMap without metadata.name'],
  ])('of the text %j are refused', (text, message) => expect(() => parseManifests(text)).toThrow(message));

  it('in a List are unfolded', () => {
    const list =
      'apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}]';
    expect(parseManifests(list).map((item) => item['kind'])).toEqual(['ConfigMap']);
  });
});
