import { describe, expect, it } from 'vitest';
import { ruleProblems } from './celRules.ts';
import type { Json, JsonObject } from './json.ts';
import { parseQuantity } from './quantity.ts';
import { type Schema, schemaProblems, withDefaults } from './schema.ts';

const object = (properties: Record<string, Schema>, more: Partial<Schema> = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
});

describe('a structural schema', () => {
  it.each<[string, Schema, Json, string]>([
    ['a missing field', object({ a: { type: 'string' } }, { required: ['a'] }), {}, 'a: Required value'],
    ['an unknown field', object({ a: object({}) }), { a: { b: 1 } }, 'a.b: unknown field'],
    [
      'a wrong type',
      object({ a: { type: 'integer' } }),
      { a: 1.5 },
      'a: Invalid value: 1.5: must be of type integer',
    ],
    [
      'null',
      object({ a: { type: 'string' } }),
      { a: null },
      'a: Invalid value: null: must be of type string',
    ],
    [
      'a value not in the enumeration',
      object({ a: { enum: [1, 3] } }),
      { a: 2 },
      'a: Unsupported value: 2: supported values: 1, 3',
    ],
    [
      'a value out of range',
      { type: 'integer', minimum: 3 },
      2,
      '<root>: Invalid value: 2: must be greater than or equal to 3',
    ],
    [
      'a text that does not match',
      { type: 'string', pattern: '^a+$' },
      'b',
      '<root>: Invalid value: "b": must match ^a+$',
    ],
    [
      'elements with the same key',
      { type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['k'] },
      [{ k: 1 }, { k: 1 }],
      '<root>: Invalid value: [{"k":1},{"k":1}]: duplicate item [1]',
    ],
    [
      'a bad element',
      object({ a: { type: 'array', items: { type: 'string' } } }),
      { a: ['x', 1] },
      'a[1]: Invalid value: 1: must be of type string',
    ],
    [
      'a bad value in a map',
      object({ a: { type: 'object', additionalProperties: { type: 'string' } } }),
      { a: { b: 1 } },
      'a.b: Invalid value: 1: must be of type string',
    ],
    [
      'no alternative',
      { anyOf: [{ type: 'string' }, { type: 'integer' }] },
      true,
      '<root>: Invalid value: true: must match one of anyOf',
    ],
    ['names that only look like fields', object({}), { constructor: 1 }, 'constructor: unknown field'],
  ])('refuses %s', (_, schema, value, problem) => {
    expect(schemaProblems(schema, value)).toEqual([problem]);
  });

  it('takes what fits', () => {
    const schema = object({
      n: { type: 'string', nullable: true },
      size: { 'x-kubernetes-int-or-string': true },
    });
    expect(
      schemaProblems(schema, { apiVersion: 'v', kind: 'K', metadata: { name: 'x' }, n: null, size: 5 }),
    ).toEqual([]);
  });

  it('fills in defaults at every depth, below defaults too, and never over a value', () => {
    const schema = object({
      a: object({ b: { type: 'integer', default: 1 }, c: { type: 'integer', default: 2 } }, { default: {} }),
    });
    expect(withDefaults(schema, {})).toEqual({ a: { b: 1, c: 2 } });
    expect(withDefaults(schema, { a: { b: 7 } })).toEqual({ a: { b: 7, c: 2 } });
    const list: Schema = { type: 'array', items: object({ x: { type: 'boolean', default: false } }) };
    expect(withDefaults(list, [{}, { x: true }])).toEqual([{ x: false }, { x: true }]);
  });
});

describe('rules in CEL', () => {
  const withRule = (schema: Schema, rule: string, message = 'broken'): Schema => ({
    ...schema,
    'x-kubernetes-validations': [{ rule, message }],
  });
  it('skip rules about the past at creation', () => {
    const schema = object({ shards: withRule({ type: 'integer' }, 'self == oldSelf') });
    expect(ruleProblems(schema, { shards: 3 }, undefined)).toEqual([]);
    expect(ruleProblems(schema, { shards: 3 }, { shards: 3 })).toEqual([]);
    expect(ruleProblems(schema, { shards: 4 }, { shards: 3 })).toEqual(['shards: Invalid value: broken']);
    expect(ruleProblems(schema, { shards: 4 }, {}), 'a field that is new').toEqual([]);
  });

  it('compare quantities as quantities', () => {
    const schema = withRule({ type: 'string' }, 'quantity(self).compareTo(quantity(oldSelf)) >= 0');
    expect(ruleProblems(schema, '1536Mi', '1Gi')).toEqual([]);
    expect(ruleProblems(schema, '900M', '1Gi')).toHaveLength(1);
  });

  it('follow elements of list-maps by their keys, and of no other list', () => {
    const items = object({ k: { type: 'string' }, v: withRule({ type: 'integer' }, 'self >= oldSelf') });
    const mapped: Schema = {
      type: 'array',
      items,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['k'],
    };
    const old = [
      { k: 'a', v: 5 },
      { k: 'b', v: 1 },
    ];
    const value = [
      { k: 'b', v: 1 },
      { k: 'a', v: 4 },
    ];
    expect(ruleProblems(mapped, value, old)).toEqual(['[1].v: Invalid value: broken']);
    expect(ruleProblems({ type: 'array', items }, value, old)).toEqual([]);
  });

  it('refuse what they cannot be evaluated on', () => {
    expect(
      ruleProblems(withRule({ type: 'string' }, 'quantity(self).sign() > 0'), 'much', undefined)[0],
    ).toMatch(/could not be evaluated/);
  });

  it('see whole numbers as such', () => {
    const schema = withRule(
      object({ a: { type: 'integer' }, b: { type: 'number' } }),
      'self.a + 1 == 3 && self.b > 1.4',
    );
    expect(ruleProblems(schema, { a: 2, b: 1.5 } as JsonObject, undefined)).toEqual([]);
  });
});

describe('a quantity', () => {
  it.each([
    ['1', 1_000_000_000n],
    ['500m', 500_000_000n],
    ['1.5Gi', 1_610_612_736n * 1_000_000_000n],
    ['1e3', 1_000_000_000_000n],
    ['-2k', -2_000_000_000_000n],
    ['.5', 500_000_000n],
  ])('%s is read exactly', (text, nano) => expect(parseQuantity(text)).toBe(nano));
  it.each(['', '1 Gi', 'Gi', '1GiB', '1g', '--1', '.'])('"%s" is none', (text) =>
    expect(parseQuantity(text)).toBeNull(),
  );
});
