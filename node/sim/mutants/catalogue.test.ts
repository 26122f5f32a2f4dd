import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from './catalogue.ts';
import { applyEdit, applyMutant } from './mutant.ts';

const ROOT = new URL('../../../', import.meta.url);
const read = (file: string): string => readFileSync(fileURLToPath(new URL(file, ROOT)), 'utf8');

describe('planted bugs', () => {
  test('each has a name of its own, a reason, and a number of seeds', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const { name, why, maxSeeds, edits, checkers } of MUTANTS) {
      expect(checkers.length, name).toBeGreaterThan(0);
      expect(name).toMatch(/^[a-z][a-z-]*$/);
      expect(why.length, name).toBeGreaterThan(20);
      expect(maxSeeds, name).toBeGreaterThan(0);
      expect(edits.length, name).toBeGreaterThan(0);
    }
  });

  test.each(MUTANTS)('$name still finds its place, and what it makes is still a module', (mutant) => {
    for (const file of new Set(mutant.edits.map((edit) => edit.file))) {
      const source = read(file);
      const mutated = applyMutant(mutant, file, source);
      // Throws where the syntax is broken. Equal code: nothing but types or spaces was changed.
      expect(stripTypeScriptTypes(mutated)).not.toBe(stripTypeScriptTypes(source));
    }
  });

  test('an edit whose place is gone, or not the only one, is an error', () => {
    const edit = { file: 'x.ts', find: 'one', replace: 'two' };
    expect(() => applyEdit('none', { ...edit, find: 'some' })).toThrow('0 places');
    expect(() => applyEdit('one and one', edit)).toThrow('2 places');
    expect(applyEdit('only one', edit)).toBe('only two');
  });
});
