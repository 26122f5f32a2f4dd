import { Type } from 'typebox';
import { QUANTITY_PATTERN } from './quantity.ts';

export interface CelRule {
  readonly rule: string;
  readonly message: string;
}
/** Spread into a field's options: `...cel({ rule, message })`. */
export function cel(...rules: CelRule[]): { 'x-kubernetes-validations': CelRule[] } {
  return { 'x-kubernetes-validations': rules };
}

interface FieldOptions {
  description: string;
  default?: unknown;
  [keyword: string]: unknown;
}
/** One of a few words: enums leave room for a third case where a boolean would not. */
export function oneOf<const T extends string>(values: readonly T[], options: FieldOptions) {
  return Type.Unsafe<T>({ ...options, type: 'string', enum: values });
}
export function integerOneOf<const T extends number>(values: readonly T[], options: FieldOptions) {
  return Type.Unsafe<T>({ ...options, type: 'integer', enum: values });
}
export function text(options: FieldOptions & { maxLength: number }) {
  return Type.Unsafe<string>({ ...options, type: 'string' });
}
/** Whole numbers only: floats do not survive every client's JSON. */
export function integer(options: FieldOptions & { minimum: number; maximum: number }) {
  return Type.Unsafe<number>({ ...options, type: 'integer' });
}
/** A list whose items are merged by key on server-side apply, in the order of no importance. */
export function listMap<T>(
  item: object,
  keys: readonly string[],
  options: FieldOptions & { maxItems: number },
) {
  return Type.Unsafe<T[]>({
    ...options,
    type: 'array',
    items: item,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': keys,
  });
}
export function listSet<T>(item: object, options: FieldOptions & { maxItems: number }) {
  return Type.Unsafe<T[]>({ ...options, type: 'array', items: item, 'x-kubernetes-list-type': 'set' });
}
export function stringMap(options: FieldOptions & { maxProperties: number }) {
  return Type.Unsafe<Record<string, string>>({
    ...options,
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 1024 },
  });
}
export function quantityMap(options: FieldOptions) {
  return Type.Unsafe<Record<string, string | number>>({
    ...options,
    type: 'object',
    maxProperties: 16,
    additionalProperties: {
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: QUANTITY_PATTERN,
      'x-kubernetes-int-or-string': true,
    },
  });
}
/** A quantity of bytes. */
export function size(options: FieldOptions) {
  return Type.Unsafe<string>({ ...options, type: 'string', maxLength: 32, pattern: QUANTITY_PATTERN });
}

/** The conditions of a status, as `k8s.io/apimachinery` has them. */
export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  /** CamelCase, stable: people wait for it and alert on it. */
  reason: string;
  /** For people: what is the case and what, if anything, is to be done. */
  message: string;
  observedGeneration: number;
  lastTransitionTime: string;
}
export function conditions() {
  const condition = Type.Object(
    {
      type: text({ description: 'What the condition is about.', maxLength: 316 }),
      status: oneOf(['True', 'False', 'Unknown'], { description: 'Whether it is so.' }),
      reason: text({ description: 'One word for why.', maxLength: 1024 }),
      message: text({ description: 'One sentence for people.', maxLength: 32768 }),
      observedGeneration: Type.Integer({
        description: 'The generation of the spec this was judged by.',
        format: 'int64',
        minimum: 0,
      }),
      lastTransitionTime: Type.String({ description: 'When status last changed.', format: 'date-time' }),
    },
    { description: 'One aspect of the state.' },
  );
  return listMap<Condition>(condition, ['type'], { description: 'What is the case, by type.', maxItems: 16 });
}
