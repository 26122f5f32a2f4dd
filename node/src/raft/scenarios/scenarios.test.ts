import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Stage } from './stage.ts';
import { parseTranscript, printTranscript } from './transcript.ts';

const FOLDER = dirname(fileURLToPath(import.meta.url));
/** Writes what happened in place of what was expected: the difference is then read and judged as any other. */
const REWRITE = process.env['UPDATE_SCENARIOS'] === '1';
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

function play(text: string): string {
  const stage = new Stage();
  const played = printTranscript(parseTranscript(text), (step) => {
    try {
      return stage.run(step.words);
    } catch (cause) {
      throw new Error(`line ${step.line}: > ${step.words.join(' ')}: ${String(cause)}`, { cause });
    }
  });
  stage.finish();
  return played;
}

describe('scenarios of Raft', () => {
  test('there are some, and each says where what it shows is written down', () => {
    expect(names.length).toBeGreaterThan(19);
    for (const name of names) {
      const header = readFileSync(join(FOLDER, name), 'utf8').split('\n\n')[0];
      expect(header, name).toMatch(/^# [\s\S]*(Raft|thesis) (§|figure )\d/);
    }
  });

  test.each(names)('%s', (name) => {
    const path = join(FOLDER, name);
    const text = readFileSync(path, 'utf8');
    const played = play(text);
    if (REWRITE && played !== text) writeFileSync(path, played);
    else expect(played).toBe(text);
  });
});

describe('transcripts', () => {
  test('an expectation that does not come true is a difference', () => {
    const right = '> group 1\n(nothing)\n> campaign 1\n';
    expect(play(`${right}(nothing)\n`)).not.toBe(`${right}(nothing)\n`);
    expect(play(play(right))).toBe(play(right));
  });

  test.each([
    ['an unknown command', '> fly 1\n'],
    ['a missing number', '> tick 1 x\n'],
    ['an unknown option', '> option wings 2\n'],
    ['an expectation without a command', 'something\n'],
  ])('%s is refused', (_, text) => {
    expect(() => play(text)).toThrow(/line 1/);
  });

  test('comments and empty lines stay where they are', () => {
    const text = '# why\n\n> group 1 2\n(nothing)\n# because\n> status 1\n';
    expect(play(text)).toContain('# why\n\n> group 1 2\n(nothing)\n# because\n> status 1\n1: follows nobody');
  });
});
