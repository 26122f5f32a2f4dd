import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { decodeOperations } from '../history/jsonLines.ts';
import { drawPlan } from './plan.ts';
import { simulate } from './simulation.ts';

const directory = mkdtempSync(join(tmpdir(), 'synccluster-versions-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('a roll is turned back in time and too late, and ends with what was refused being served', {
  timeout: 120_000,
}, async () => {
  const choices = { members: 3, shards: 1, clients: 2, attackMs: 40_000, blowEveryMs: 500 };
  const transcriptPath = join(directory, 'run');
  const result = await simulate(drawPlan(1, new Set(['versions']), choices), { transcriptPath });
  expect(result.error).toBeNull();
  expect(result.violations).toEqual([]);
  expect(result.marks.levelsRaised).toBeGreaterThanOrEqual(3);
  expect(result.marks.membersTooOld).toBeGreaterThan(0);
  const transcript = readFileSync(transcriptPath, 'utf8');
  expect(transcript).toMatch(/becomes the previous version in time/);
  expect(transcript).toMatch(/becomes the previous version too late/);
  const operations = decodeOperations(readFileSync(`${transcriptPath}.history`, 'utf8'));
  const extended = operations.filter(({ kind }) => kind === 'extend');
  expect(extended.some(({ error }) => error === 'UNSUPPORTED')).toBe(true);
  expect(extended.some(({ outcome }) => outcome === 'ok')).toBe(true);
});
