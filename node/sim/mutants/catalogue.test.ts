import { readdirSync, readFileSync } from 'node:fs';
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

describe('the checkers', () => {
  const folder = new URL('../checkers/', import.meta.url);
  const names = new Set(
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => readFileSync(new URL(file, folder), 'utf8'))
      .flatMap((text) => [...text.matchAll(/^const [A-Z]+ = '([a-z][a-z ]+)';|\bbroken\('([a-z ]+)'/gm)])
      .map(([, named, direct]) => (named ?? direct)!),
  );

  test('that bugs are planted for are there', () => {
    const known = new Set([...names, 'run']);
    expect(names.size).toBeGreaterThan(20);
    for (const { name, checkers } of MUTANTS) {
      expect(
        checkers.filter((checker) => !known.has(checker)),
        name,
      ).toEqual([]);
    }
  });

  // Where several may notice, it is not said that this one does.
  test.each([...names])('"%s" has a bug that it must notice itself', (name) => {
    const own = MUTANTS.filter(({ checkers }) => checkers.length === 1 && checkers[0] === name);
    expect(own.map((mutant) => mutant.name)).not.toEqual([]);
  });
});
