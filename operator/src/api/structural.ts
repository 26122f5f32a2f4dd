type Schema = { [keyword: string]: unknown };

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The OpenAPI v3 structural schema of a JSON schema. A field with a default need not be sent, so it leaves
 * `required`: the API server fills in defaults before it validates.
 */
export function toStructural(schema: unknown): Schema {
  if (!isSchema(schema)) throw new Error('a schema is an object');
  const out: Schema = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties' && isSchema(value)) {
      out[keyword] = Object.fromEntries(
        Object.entries(value).map(([name, field]) => [name, toStructural(field)]),
      );
    } else if ((keyword === 'items' || keyword === 'additionalProperties') && isSchema(value)) {
      out[keyword] = toStructural(value);
    } else if (keyword === 'required' && Array.isArray(value)) {
      const required = value.filter((name) => !hasDefault(schema, name));
      if (required.length > 0) out[keyword] = required;
    } else if (keyword === 'default') {
      // Complete: the API server checks a default against the rules of its field as it stands, without the defaults
      // of the fields within.
      out[keyword] = withDefaults(schema, structuredCopy(value));
    } else if (keyword === 'const') {
      throw new Error('const has no place in a structural schema; use an enum');
    } else {
      out[keyword] = structuredCopy(value);
    }
  }
  return out;
}

function hasDefault(schema: Schema, name: unknown): boolean {
  const properties = schema['properties'];
  if (!isSchema(properties) || typeof name !== 'string') return false;
  const field = properties[name];
  return isSchema(field) && 'default' in field;
}

/** Plain JSON: what a schema builder attaches beside the keywords stays behind. */
function structuredCopy(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** Fills in defaults the way the API server does: top down, also inside lists, never over a given value. */
export function withDefaults(schema: unknown, value: unknown): unknown {
  if (!isSchema(schema)) return value;
  if (Array.isArray(value)) return value.map((item) => withDefaults(schema['items'], item));
  if (!isSchema(value)) return value;
  const out: Schema = { ...value };
  const properties = schema['properties'];
  if (isSchema(properties)) {
    for (const [name, field] of Object.entries(properties)) {
      if (!isSchema(field)) continue;
      if (out[name] === undefined && 'default' in field) out[name] = structuredCopy(field['default']);
      if (out[name] !== undefined) out[name] = withDefaults(field, out[name]);
    }
  }
  return out;
}
