import type { Observation } from './observations.ts';
import type { Operation } from './operations.ts';

/** The first fields of a line, in this order; all others follow by name. So equal records are equal bytes. */
const FIRST = ['id', 'order', 'worldMs', 'client', 'member', 'kind', 'group'];

function rank(field: string): number {
  const at = FIRST.indexOf(field);
  return at === -1 ? FIRST.length : at;
}

function ordered(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const fields = Object.entries(value);
  fields.sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(fields);
}

function encodeLine(record: Operation | Observation): string {
  return `${JSON.stringify(record, ordered)}\n`;
}

/** One record a line. */
export function encodeLines(records: Iterable<Operation | Observation>): string {
  let text = '';
  for (const record of records) text += encodeLine(record);
  return text;
}

/** What `encodeLines` wrote of operations. Throws with the line's number when a line is none. */
export function decodeOperations(text: string): Operation[] {
  return decode(text, ['id', 'client', 'kind', 'call', 'invoked', 'completed', 'outcome']) as Operation[];
}

function decode(text: string, required: readonly string[]): unknown[] {
  const records: unknown[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    if (line === '') continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch (error) {
      throw new Error(`line ${at + 1} is not JSON`, { cause: error });
    }
    if (typeof record !== 'object' || record === null) throw new Error(`line ${at + 1} is not a record`);
    for (const field of required) {
      if (!Object.hasOwn(record, field)) throw new Error(`line ${at + 1} has no ${field}`);
    }
    records.push(record);
  }
  return records;
}
