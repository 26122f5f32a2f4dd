import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LIMITS } from '@synccluster/bench';
import { describe, expect, it } from 'vitest';
import { crds, syncBenchmarkCrd, syncClusterCrd } from './crds.ts';
import { crdFiles, outdatedFiles, writeFiles } from './generate.ts';
import { canonicalJson, hashOf } from './hash.ts';
import type { CustomResourceDefinition } from './kinds.ts';
import { parseQuantity } from './quantity.ts';
import { toStructural, withDefaults } from './structural.ts';
import { SyncClusterSchema } from './syncCluster.ts';

type Schema = {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  maxLength?: number;
  maxItems?: number;
  maxProperties?: number;
  format?: string;
  'x-kubernetes-validations'?: { rule: string; message: string }[];
};
function schemaOf(crd: CustomResourceDefinition): Schema {
  return crd.spec.versions[0]?.schema.openAPIV3Schema as Schema;
}
function* fields(schema: Schema, path: string): Generator<[string, Schema]> {
  yield [path, schema];
  for (const [name, field] of Object.entries(schema.properties ?? {}))
    yield* fields(field, `${path}.${name}`);
  if (schema.items !== undefined) yield* fields(schema.items, `${path}[]`);
}
const at = (schema: Schema | undefined, ...path: string[]): Schema => {
  let here = schema;
  for (const name of path) here = here?.properties?.[name];
  if (here === undefined) throw new Error(`no ${path.join('.')}`);
  return here;
};
const rules = (schema: Schema) => (schema['x-kubernetes-validations'] ?? []).map(({ rule }) => rule);
const spec = at(schemaOf(syncClusterCrd), 'spec');

describe('the custom resource definitions', () => {
  it('describe every field', () => {
    for (const crd of crds) {
      const bare = [
        ...fields(at(schemaOf(crd), 'spec'), 'spec'),
        ...fields(at(schemaOf(crd), 'status'), 'status'),
      ]
        .filter(([path, field]) => !path.endsWith('[]') && field.description === undefined)
        .map(([path]) => path);
      expect(bare).toEqual([]);
    }
  });

  it('bound every string, list and map of a spec, for rules are costed by what could come', () => {
    for (const crd of crds) {
      const unbound = [...fields(at(schemaOf(crd), 'spec'), 'spec')]
        .filter(
          ([, field]) =>
            (field.type === 'string' && field.maxLength === undefined && field.enum === undefined) ||
            (field.type === 'array' && field.maxItems === undefined) ||
            (field.additionalProperties !== undefined && field.maxProperties === undefined),
        )
        .map(([path]) => path);
      expect(unbound).toEqual([]);
    }
  });

  it('have no floats and no booleans in a spec', () => {
    for (const crd of crds) {
      const types = [...fields(at(schemaOf(crd), 'spec'), 'spec')].map(([, field]) => field.type);
      expect(types).not.toContain('number');
      expect(types).not.toContain('boolean');
    }
  });

  it('allow 1, 3 and 5 members, 3 by default', () => {
    expect(at(spec, 'members')).toMatchObject({ type: 'integer', enum: [1, 3, 5], default: 3 });
  });

  it('demand nothing that has a default', () => {
    for (const crd of crds) {
      for (const [, field] of fields(schemaOf(crd), '')) {
        for (const name of field.required ?? [])
          expect(field.properties?.[name]).not.toHaveProperty('default');
      }
    }
    expect(at(schemaOf(syncBenchmarkCrd), 'spec').required).toEqual(['clusterRef']);
  });

  it('fix what cannot change and let volumes only grow', () => {
    expect(rules(at(spec, 'shards'))).toEqual(['self == oldSelf']);
    expect(rules(at(spec, 'storage', 'medium'))).toEqual(['self == oldSelf']);
    expect(rules(at(spec, 'storage', 'size'))).toContain('quantity(self).compareTo(quantity(oldSelf)) >= 0');
    expect(rules(at(schemaOf(syncBenchmarkCrd), 'spec'))).toEqual(['self == oldSelf']);
  });

  it('limit names to 40 characters', () => {
    for (const crd of crds) expect(rules(schemaOf(crd))).toContain('size(self.metadata.name) <= 40');
  });

  it('have status and scale subresources, short names and truthful columns', () => {
    const version = syncClusterCrd.spec.versions[0];
    expect(version?.subresources).toEqual({
      status: {},
      scale: {
        specReplicasPath: '.spec.members',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.selector',
      },
    });
    expect(crds.map((crd) => crd.spec.names.shortNames)).toEqual([['scl'], ['sb']]);
    expect(version?.additionalPrinterColumns.map((column) => column.name)).toEqual(
      expect.arrayContaining(['Members', 'Ready', 'Leader', 'State', 'Age']),
    );
  });

  it('are what stands in crds/', async () => {
    expect(await outdatedFiles(join(import.meta.dirname, '../../../crds'))).toEqual([]);
  });

  it('are what stands in the chart, where they stay when it goes', async () => {
    const folder = join(import.meta.dirname, '../../../charts/synccluster/templates/crds');
    expect(await outdatedFiles(folder, 'template')).toEqual([]);
    for (const text of crdFiles('template').values())
      expect(text).toMatch(/^ {4}helm\.sh\/resource-policy: keep$/m);
  });

  it('are found out of date when a file is missing or was edited', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'crds-'));
    try {
      const names = [...crdFiles().keys()];
      expect(await outdatedFiles(folder)).toEqual(names);
      await writeFiles(folder);
      expect(await outdatedFiles(folder)).toEqual([]);
      await writeFile(join(folder, names[0] ?? ''), 'edited');
      expect(await outdatedFiles(folder)).toEqual([names[0]]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('defaults', () => {
  it('fill in nested fields and never override', () => {
    const filled = withDefaults(SyncClusterSchema, { spec: { members: 5, storage: { size: '9Gi' } } });
    expect(filled).toMatchObject({
      spec: {
        members: 5,
        shards: 3,
        storage: { size: '9Gi', medium: 'Disk', retention: { whenScaled: 'Retain', whenDeleted: 'Retain' } },
        raft: { electionTimeoutMilliseconds: 500, heartbeatMilliseconds: 75 },
      },
    });
  });

  it('are not shared between objects', () => {
    const [a, b] = [withDefaults(SyncClusterSchema, {}), withDefaults(SyncClusterSchema, {})] as {
      spec: object;
    }[];
    expect(a?.spec).not.toBe(b?.spec);
  });

  it('take a field out of required in the structural schema alone', () => {
    const schema = {
      type: 'object',
      required: ['a', 'b'],
      properties: { a: { type: 'string', default: 'x' }, b: { type: 'string' } },
    };
    expect(toStructural(schema)).toEqual({ ...schema, required: ['b'] });
    expect(() => toStructural({ const: 1 })).toThrow(/enum/);
  });
});

describe('quantities', () => {
  it.each([
    ['1', 1],
    ['1500m', 1.5],
    ['1Gi', 2 ** 30],
    ['1G', 1e9],
    ['1024Mi', 2 ** 30],
    ['1e3', 1000],
    ['.5', 0.5],
    [2, 2],
    ['x', null],
    ['1GiB', null],
    ['', null],
  ])('%s is %s', (text, value) => {
    expect(parseQuantity(text)).toBe(value);
  });
});

describe('hashes', () => {
  it('do not depend on the order of fields or on what is undefined', () => {
    expect(hashOf({ a: 1, b: [{ c: 2, d: 3 }] })).toBe(hashOf({ b: [{ d: 3, c: 2 }], a: 1, e: undefined }));
    expect(canonicalJson({ b: 1, a: 'x' })).toBe('{"a":"x","b":1}');
  });
  it('tell values apart', () => {
    expect(
      new Set([hashOf({ a: 1 }), hashOf({ a: 2 }), hashOf([1, 2]), hashOf([2, 1]), hashOf('1'), hashOf(1)])
        .size,
    ).toBe(6);
  });
});

describe('a SyncBenchmark', () => {
  it.each(Object.entries(LIMITS))('allows no %s that the load generator refuses', (name, [least, most]) => {
    const field = at(schemaOf(syncBenchmarkCrd), 'spec', name);
    expect(field.minimum).toBeGreaterThanOrEqual(least);
    expect(field.maximum).toBe(most);
  });
});
