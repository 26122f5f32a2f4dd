import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readArguments } from './arguments.ts';
import { drawPlan, type FaultName } from './plan.ts';
import { simulate } from './simulation.ts';

const directory = mkdtempSync(join(tmpdir(), 'synccluster-sim-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('a simulated cluster', () => {
  it('passes under loss and crashes, and twice in the same way to the byte', {
    timeout: 120_000,
  }, async () => {
    const faults = new Set<FaultName>(['loss', 'reordering', 'kill', 'power', 'partition']);
    const plan = (): ReturnType<typeof drawPlan> => ({ ...drawPlan(3, faults), attackMs: 6_000 });
    const run = async (name: string) => {
      const transcriptPath = join(directory, name);
      const result = await simulate(plan(), { transcriptPath });
      return { result, transcript: readFileSync(transcriptPath, 'utf8') };
    };
    const first = await run('first');
    const second = await run('second');
    expect(first.result.error).toBeNull();
    expect(first.result.violations).toEqual([]);
    expect(first.result.acknowledged).toBeGreaterThan(100);
    expect(second.transcript === first.transcript).toBe(true);
    expect(second.result.hash).toBe(first.result.hash);
  });
});

describe('the clients of a simulated cluster', () => {
  it('die and are reset in the middle of everything, and others finish the work', {
    timeout: 120_000,
  }, async () => {
    const faults = new Set<FaultName>(['clientKill', 'reset']);
    const plan = { ...drawPlan(5, faults), members: 3, slots: 3, attackMs: 10_000, blowEveryMs: 500 };
    const { error, violations, struck } = await simulate(plan, { transcriptPath: null });
    expect(error).toBeNull();
    expect(violations).toEqual([]);
    expect(struck.clientKill).toBeGreaterThan(3);
    expect(struck.reset).toBeGreaterThan(3);
    // None of the others was to be.
    expect(struck.kill).toBe(0);
  });
});

describe('the arguments', () => {
  it('are read, and refused in words', () => {
    expect(readArguments(['--seeds', '7', '--from', '3'], 2)).toMatchObject({ from: 3, seeds: 7, jobs: 2 });
    expect(readArguments(['--seed', '5', '--faults', 'none'], 2)).toMatchObject({
      from: 5,
      seeds: 1,
      single: true,
      faults: [],
    });
    expect(readArguments(['--help'], 2)).toBeNull();
    expect(() => readArguments(['--seeds', 'many'], 2)).toThrow('--seeds must be a whole number');
    expect(() => readArguments(['--faults', 'rain'], 2)).toThrow('no fault "rain"');
    expect(() => readArguments(['--seed', '1', '--seeds', '2'], 2)).toThrow('--seed stands alone');
    expect(() => readArguments(['--sed', '1'], 2)).toThrow();
  });
});
