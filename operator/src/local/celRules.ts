import { Environment } from '@marcbachmann/cel-js';
import { isObject, type Json } from './json.ts';
import { parseQuantity } from './quantity.ts';
import type { Schema, ValidationRule } from './schema.ts';

/** What CEL calls a Quantity: exact, in units of 10⁻⁹. */
class Quantity {
  readonly nano: bigint;
  constructor(nano: bigint) {
    this.nano = nano;
  }
}
function quantity(text: string): Quantity {
  const nano = parseQuantity(text);
  if (nano === null) throw new Error(`"${text}" is no quantity`);
  return new Quantity(nano);
}
const sign = (value: bigint): bigint => (value < 0n ? -1n : value > 0n ? 1n : 0n);

/** The functions Kubernetes adds to CEL, as far as rules about sizes need them. */
const environment = new Environment({
  unlistedVariablesAreDyn: false,
  enableOptionalTypes: true,
  homogeneousAggregateLiterals: false,
})
  .registerVariable('self', 'dyn')
  .registerVariable('oldSelf', 'dyn')
  .registerType('Quantity', Quantity)
  .registerFunction('quantity(string): Quantity', quantity)
  .registerFunction('isQuantity(string): bool', (text: string) => parseQuantity(text) !== null)
  .registerFunction('Quantity.compareTo(Quantity): int', (a: Quantity, b: Quantity) => sign(a.nano - b.nano))
  .registerFunction('Quantity.isGreaterThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nano > b.nano)
  .registerFunction('Quantity.isLessThan(Quantity): bool', (a: Quantity, b: Quantity) => a.nano < b.nano)
  .registerFunction(
    'Quantity.add(Quantity): Quantity',
    (a: Quantity, b: Quantity) => new Quantity(a.nano + b.nano),
  )
  .registerFunction(
    'Quantity.sub(Quantity): Quantity',
    (a: Quantity, b: Quantity) => new Quantity(a.nano - b.nano),
  )
  .registerFunction('Quantity.sign(): int', (a: Quantity) => sign(a.nano));

const parsed = new Map<string, ReturnType<typeof environment.parse>>();

function evaluate(expression: string, self: unknown, oldSelf: unknown): unknown {
  let program = parsed.get(expression);
  if (program === undefined) {
    program = environment.parse(expression);
    parsed.set(expression, program);
  }
  return program({ self, oldSelf });
}

/**
 * The broken `x-kubernetes-validations` of a value, one line each. `old` is undefined at creation: rules that speak
 * of `oldSelf` are then skipped, as they are wherever the old value has no counterpart (new fields, elements of
 * lists that are not list-maps).
 */
export function ruleProblems(schema: Schema, value: Json, old: Json | undefined, path = ''): string[] {
  const problems: string[] = [];
  for (const rule of schema['x-kubernetes-validations'] ?? []) {
    const transition = /\boldSelf\b/.test(rule.rule);
    if (transition && old === undefined) continue;
    const problem = brokenRule(rule, typed(schema, value), old === undefined ? null : typed(schema, old));
    if (problem !== null)
      problems.push(`${path === '' ? '<root>' : path}${rule.fieldPath ?? ''}: Invalid value: ${problem}`);
  }
  if (Array.isArray(value) && schema.items !== undefined) {
    const items = schema.items;
    value.forEach((item, index) => {
      problems.push(...ruleProblems(items, item, counterpart(schema, item, old), `${path}[${index}]`));
    });
  } else if (isObject(value)) {
    for (const [name, child] of Object.entries(value)) {
      const childSchema = propertySchema(schema, name);
      if (childSchema === undefined) continue;
      const before = isObject(old) && Object.hasOwn(old, name) ? old[name] : undefined;
      problems.push(...ruleProblems(childSchema, child, before, path === '' ? name : `${path}.${name}`));
    }
  }
  return problems;
}

function brokenRule(rule: ValidationRule, self: unknown, oldSelf: unknown): string | null {
  try {
    const result = evaluate(rule.rule, self, oldSelf);
    if (result === true) return null;
    if (rule.messageExpression !== undefined) return String(evaluate(rule.messageExpression, self, oldSelf));
    return rule.message ?? `failed rule: ${rule.rule}`;
  } catch (error) {
    // A rule that cannot be evaluated refuses the object, as on an API server.
    return `rule "${rule.rule}" could not be evaluated: ${error instanceof Error ? error.message.split('\n')[0] : error}`;
  }
}

function propertySchema(schema: Schema, name: string): Schema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, name))
    return schema.properties[name];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

function counterpart(schema: Schema, item: Json, old: Json | undefined): Json | undefined {
  const keys = schema['x-kubernetes-list-type'] === 'map' ? schema['x-kubernetes-list-map-keys'] : undefined;
  if (keys === undefined || !Array.isArray(old) || !isObject(item)) return undefined;
  return old.find((other) => isObject(other) && keys.every((key) => other[key] === item[key]));
}

/** JSON has one kind of number, CEL has two that do not mix: the schema says which. */
function typed(schema: Schema | undefined, value: Json): unknown {
  if (typeof value === 'number') {
    const whole = schema?.type === 'integer' || schema?.['x-kubernetes-int-or-string'] === true;
    return whole && Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return value.map((item) => typed(schema?.items, item));
  if (!isObject(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [name, child] of Object.entries(value)) {
    result[name] = typed(schema === undefined ? undefined : propertySchema(schema, name), child);
  }
  return result;
}
