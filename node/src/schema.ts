import { utf8Bytes } from '@synccluster/client/protocol';
import { MemberError } from './errors.ts';

declare const stands: unique symbol;

/**
 * A JSON Schema (2020-12) that also carries, for the compiler only, the type of what it lets through.
 *
 * Why not a schema library: the common validators and serializers compile code per schema and hold about 35 MB
 * that an idle member would never use. The few keywords below are checked by walking the schema, and the same
 * objects are what the OpenAPI document shows.
 */
export interface Schema<T> {
  readonly [stands]?: T;
  readonly type: 'string' | 'integer' | 'boolean' | 'array' | 'object';
  readonly description: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly enum?: readonly string[];
  /** In UTF-8 bytes; `maxLength` says the same in characters, for readers of the document. */
  readonly 'x-max-utf8-bytes'?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema<unknown>;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema<unknown>>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
}
export type Static<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;
type FieldsOf<F extends Fields> = { [K in keyof F]: Static<F[K]> };
type Simplify<T> = { [K in keyof T]: T[K] };

/** Text of at most `maxBytes` bytes of UTF-8. */
export function text(
  description: string,
  maxBytes: number,
  options: { emptyAllowed?: boolean; examples?: readonly string[] } = {},
): Schema<string> {
  return {
    type: 'string',
    description,
    ...(options.emptyAllowed === true ? {} : { minLength: 1 }),
    maxLength: maxBytes,
    'x-max-utf8-bytes': maxBytes,
    ...(options.examples === undefined ? {} : { examples: options.examples }),
  };
}

export function oneOf<const V extends string>(description: string, values: readonly V[]): Schema<V> {
  return { type: 'string', description, enum: values };
}

export function integer(description: string, minimum: number, maximum: number): Schema<number> {
  return { type: 'integer', description, minimum, maximum };
}

export function flag(description: string): Schema<boolean> {
  return { type: 'boolean', description };
}

export function list<T>(
  description: string,
  items: Schema<T>,
  minItems = 0,
  maxItems?: number,
): Schema<readonly T[]> {
  return {
    type: 'array',
    description,
    items,
    minItems,
    ...(maxItems === undefined ? {} : { maxItems }),
  };
}

/** Fields of `required` must be there; those of `optional` may be missing and then stay missing. */
export function object<R extends Fields, O extends Fields = Record<never, never>>(
  description: string,
  required: R,
  optional?: O,
): Schema<Simplify<FieldsOf<R> & Partial<FieldsOf<O>>>> {
  const properties = { ...required, ...optional };
  return {
    type: 'object',
    description,
    properties,
    required: Object.keys(required).filter((name) => required[name]?.default === undefined),
    additionalProperties: false,
  };
}

/** A field that takes `value` when it is missing. Used among an object's required fields. */
export function withDefault<T extends string | number | boolean>(schema: Schema<T>, value: T): Schema<T> {
  return { ...schema, default: value };
}

interface Problem {
  path: string;
  says: string;
  tooLarge: boolean;
}

function problem(path: string, says: string, tooLarge = false): Problem {
  return { path, says, tooLarge };
}

/** What is wrong with `value`, or null. Fills defaults in, which is its only effect. */
function find(schema: Schema<unknown>, value: unknown, path: string): Problem | null {
  switch (schema.type) {
    case 'string':
      return findInText(schema, value, path);
    case 'integer': {
      const minimum = schema.minimum ?? Number.MIN_SAFE_INTEGER;
      const maximum = schema.maximum ?? Number.MAX_SAFE_INTEGER;
      return Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum
        ? null
        : problem(path, `must be a whole number from ${minimum} to ${maximum}`);
    }
    case 'boolean':
      return typeof value === 'boolean' ? null : problem(path, 'must be true or false');
    case 'array':
      return findInList(schema, value, path);
    case 'object':
      return findInObject(schema, value, path);
  }
}

function findInText(schema: Schema<unknown>, value: unknown, path: string): Problem | null {
  if (schema.enum !== undefined) {
    return schema.enum.includes(value as string)
      ? null
      : problem(path, `must be one of ${schema.enum.join(', ')}`);
  }
  if (typeof value !== 'string') return problem(path, 'must be a string');
  if (value.length < (schema.minLength ?? 0)) return problem(path, 'must not be empty');
  const limit = schema['x-max-utf8-bytes'];
  if (limit !== undefined && (value.length > limit || utf8Bytes(value) > limit)) {
    return problem(path, `is too large: at most ${limit} bytes of UTF-8`, true);
  }
  // A lone surrogate has no UTF-8: it would be stored as another character than the one sent.
  return value.isWellFormed()
    ? null
    : problem(path, 'must be valid Unicode (it holds half a surrogate pair)');
}

function findInList(schema: Schema<unknown>, value: unknown, path: string): Problem | null {
  if (!Array.isArray(value)) return problem(path, 'must be a list');
  const min = schema.minItems ?? 0;
  const max = schema.maxItems ?? Number.POSITIVE_INFINITY;
  if (value.length < min) return problem(path, `must have at least ${min} ${min === 1 ? 'item' : 'items'}`);
  if (value.length > max) return problem(path, `is too large: at most ${max} items`, true);
  for (let i = 0; i < value.length; i++) {
    const found = schema.items === undefined ? null : find(schema.items, value[i], `${path}[${i}]`);
    if (found !== null) return found;
  }
  return null;
}

function findInObject(schema: Schema<unknown>, value: unknown, path: string): Problem | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return problem(path, 'must be a JSON object');
  }
  const fields = schema.properties ?? {};
  const record = value as Record<string, unknown>;
  for (const name of Object.keys(record)) {
    if (Object.hasOwn(fields, name)) continue;
    const known = Object.keys(fields);
    const shown = name.length > 40 ? `${name.slice(0, 40).toWellFormed()}…` : name.toWellFormed();
    return problem(
      at(path, shown),
      known.length === 0
        ? 'is unknown: no field is taken here'
        : `is unknown; the fields are ${known.join(', ')}`,
    );
  }
  for (const name of Object.keys(fields)) {
    const field = fields[name]!;
    if (Object.hasOwn(record, name)) {
      const found = find(field, record[name], at(path, name));
      if (found !== null) return found;
    } else if (field.default !== undefined) {
      record[name] = field.default;
    } else if (schema.required?.includes(name) === true) {
      return problem(at(path, name), 'is missing');
    }
  }
  return null;
}

function at(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/**
 * Checks `value` against the schema and fills missing fields that have a default, in place. Throws
 * INVALID_ARGUMENT or TOO_LARGE with a sentence that names the field; `whole` names the value itself.
 */
export function check<T>(schema: Schema<T>, value: unknown, whole: string): T {
  const found = find(schema, value, '');
  if (found === null) return value as T;
  throw new MemberError(
    found.tooLarge ? 'TOO_LARGE' : 'INVALID_ARGUMENT',
    `${found.path === '' ? whole : found.path} ${found.says}`,
  );
}

/** Like `check`, for fields that arrive as text: those the schema wants as whole numbers are read as such. */
export function checkText<T>(schema: Schema<T>, texts: Readonly<Record<string, unknown>>, whole: string): T {
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(texts)) {
    const type = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name]?.type : undefined;
    values[name] =
      type === 'integer' && typeof value === 'string' && /^-?\d{1,16}$/.test(value) ? Number(value) : value;
  }
  return check(schema, values, whole);
}
