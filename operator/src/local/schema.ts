import { copy, equal, isObject, type Json, type JsonObject } from './json.ts';
import { parseQuantity } from './quantity.ts';

/** The part of a CRD's structural schema that is enforced here. */
export interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly default?: Json;
  readonly nullable?: boolean;
  readonly enum?: readonly Json[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'granular' | 'atomic';
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
}
export interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

/** The value with the schema's defaults filled in, at every depth where the parent exists. */
export function withDefaults(schema: Schema, value: Json): Json {
  if (Array.isArray(value)) {
    const items = schema.items;
    return items === undefined ? value : value.map((item) => withDefaults(items, item));
  }
  if (!isObject(value)) return value;
  const result: JsonObject = { ...value };
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const given = result[name];
    // An explicit null of a field that cannot be null counts as absent.
    if (given === undefined || (given === null && child.nullable !== true && child.default !== undefined)) {
      if (child.default !== undefined) result[name] = withDefaults(child, copy(child.default));
    } else result[name] = withDefaults(child, given);
  }
  if (typeof schema.additionalProperties === 'object') {
    for (const [name, child] of Object.entries(result))
      result[name] = withDefaults(schema.additionalProperties, child);
  }
  return result;
}

/** What is wrong with a value, one line each, naming the field; empty when nothing is. Unknown fields are wrong. */
export function schemaProblems(schema: Schema, value: Json, path = ''): string[] {
  const where = path === '' ? '<root>' : path;
  const bad = (rule: string): string => `${where}: Invalid value: ${brief(value)}: ${rule}`;
  if (value === null && schema.nullable === true) return [];
  const typeProblem = wrongType(schema, value);
  if (typeProblem !== null) return [bad(`must be of type ${typeProblem}`)];
  const problems: string[] = [];
  if (schema.enum !== undefined && !schema.enum.some((allowed) => equal(allowed, value))) {
    const supported = schema.enum.map((allowed) => JSON.stringify(allowed)).join(', ');
    problems.push(`${where}: Unsupported value: ${brief(value)}: supported values: ${supported}`);
  }
  if (typeof value === 'number') problems.push(...[...numberRules(schema, value)].map(bad));
  else if (typeof value === 'string') problems.push(...[...stringRules(schema, value)].map(bad));
  else if (Array.isArray(value))
    problems.push(...[...listRules(schema, value)].map(bad), ...itemProblems(schema, value, path));
  else if (isObject(value)) problems.push(...objectProblems(schema, value, path, bad));
  for (const part of schema.allOf ?? []) problems.push(...alternative(part, value, path));
  const fits = (part: Schema): boolean => alternative(part, value, path).length === 0;
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) problems.push(bad('must match one of anyOf'));
  if (schema.oneOf !== undefined && schema.oneOf.filter(fits).length !== 1) {
    problems.push(bad('must match exactly one of oneOf'));
  }
  if (schema.not !== undefined && fits(schema.not)) problems.push(bad('must not match the schema under not'));
  return problems;
}

/** In a structural schema, the parts of allOf, anyOf, oneOf and not only add value rules: they define no fields. */
function alternative(part: Schema, value: Json, path: string): string[] {
  return schemaProblems({ 'x-kubernetes-preserve-unknown-fields': true, ...part }, value, path);
}

function wrongType(schema: Schema, value: Json): string | null {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return typeof value === 'string' || Number.isInteger(value) ? null : 'integer or string';
  }
  switch (schema.type) {
    case undefined:
      return null;
    case 'object':
      return isObject(value) ? null : 'object';
    case 'array':
      return Array.isArray(value) ? null : 'array';
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value) ? null : 'integer';
    default:
      return typeof value === schema.type ? null : schema.type;
  }
}

function* numberRules(schema: Schema, value: number): Generator<string> {
  const { minimum, maximum, multipleOf } = schema;
  if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    yield `must be greater than ${schema.exclusiveMinimum === true ? '' : 'or equal to '}${minimum}`;
  }
  if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    yield `must be less than ${schema.exclusiveMaximum === true ? '' : 'or equal to '}${maximum}`;
  }
  if (multipleOf !== undefined && value % multipleOf !== 0) yield `must be a multiple of ${multipleOf}`;
  if (schema.format === 'int32' && (value < -(2 ** 31) || value > 2 ** 31 - 1)) yield 'must fit into 32 bits';
}

function* stringRules(schema: Schema, value: string): Generator<string> {
  const length = [...value].length;
  if (schema.minLength !== undefined && length < schema.minLength)
    yield `must be at least ${schema.minLength} long`;
  if (schema.maxLength !== undefined && length > schema.maxLength)
    yield `may not be longer than ${schema.maxLength}`;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
    yield `must match ${schema.pattern}`;
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value)))
    yield 'must be a date and time (RFC 3339)';
  if (schema.format === 'quantity' && parseQuantity(value) === null) yield 'must be a quantity';
}

function* listRules(schema: Schema, value: readonly Json[]): Generator<string> {
  if (schema.minItems !== undefined && value.length < schema.minItems)
    yield `must have at least ${schema.minItems} items`;
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    yield `must have at most ${schema.maxItems} items`;
  const keys =
    schema['x-kubernetes-list-type'] === 'map' ? (schema['x-kubernetes-list-map-keys'] ?? []) : null;
  if (keys !== null || schema.uniqueItems === true || schema['x-kubernetes-list-type'] === 'set') {
    const seen = new Set<string>();
    for (const item of value) {
      const identity = JSON.stringify(
        keys === null ? item : keys.map((key) => (isObject(item) ? (item[key] ?? null) : null)),
      );
      if (seen.has(identity)) yield `duplicate item ${identity}`;
      seen.add(identity);
    }
  }
}

function itemProblems(schema: Schema, value: readonly Json[], path: string): string[] {
  const items = schema.items;
  return items === undefined
    ? []
    : value.flatMap((item, index) => schemaProblems(items, item, `${path}[${index}]`));
}

function objectProblems(
  schema: Schema,
  value: JsonObject,
  path: string,
  bad: (rule: string) => string,
): string[] {
  const problems: string[] = [];
  const child = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const count = Object.keys(value).length;
  if (schema.minProperties !== undefined && count < schema.minProperties)
    problems.push(bad('has too few fields'));
  if (schema.maxProperties !== undefined && count > schema.maxProperties)
    problems.push(bad('has too many fields'));
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) problems.push(`${child(name)}: Required value`);
  }
  const open =
    schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties === true;
  for (const [name, item] of Object.entries(value)) {
    if (schema.properties !== undefined && Object.hasOwn(schema.properties, name)) {
      problems.push(...schemaProblems(schema.properties[name] ?? {}, item, child(name)));
    } else if (typeof schema.additionalProperties === 'object') {
      problems.push(...schemaProblems(schema.additionalProperties, item, child(name)));
    } else if (!open && !isImplied(schema, name, path)) {
      problems.push(`${child(name)}: unknown field`);
    }
  }
  return problems;
}

/** Fields every object has without its schema naming them. */
function isImplied(schema: Schema, name: string, path: string): boolean {
  const root = path === '' || schema['x-kubernetes-embedded-resource'] === true;
  // The API server checks metadata itself; schemas may only say `type: object` about it.
  return (root && ['apiVersion', 'kind', 'metadata'].includes(name)) || path === 'metadata';
}

function brief(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
