import { describe, expect, it } from 'vitest';
import { InvalidResultError, readResult } from './readResult.ts';
import { sampleResult } from './sampleResult.ts';

type Tree = { [key: string]: Tree } & Tree[];

const SAMPLE = sampleResult({ inFlight: [1, 64], payloadBytes: [64] });
const TEXT = JSON.stringify(SAMPLE);

/** A result as it comes from a file, with one thing changed. */
function changed(change: (result: Tree) => void): unknown {
  const tree = JSON.parse(TEXT) as Tree;
  change(tree);
  return tree;
}

describe('reading a result', () => {
  it('gives back what was written', () => {
    expect(readResult(JSON.parse(TEXT))).toEqual(SAMPLE);
  });
  it('drops fields of a newer version that it does not know', () => {
    const newer = changed((result) => {
      (result as unknown as Record<string, unknown>)['future'] = 1;
    });
    expect(readResult(newer)).toEqual(SAMPLE);
  });

  const broken: [field: string, change: (result: Tree) => void][] = [
    ['kind', (result) => Object.assign(result, { kind: 'Other' })],
    ['schemaVersion', (result) => Object.assign(result, { schemaVersion: 2 })],
    ['startedAt', (result) => Object.assign(result, { startedAt: 'yesterday' })],
    ['durationMs', (result) => Object.assign(result, { durationMs: -1 })],
    ['outcome', (result) => Object.assign(result, { outcome: 'fine' })],
    ['failures[0]', (result) => Object.assign(result, { failures: [3] })],
    ['environment.cores', (result) => Object.assign(result['environment']!, { cores: '2' })],
    ['settings.inFlight[1]', (result) => Object.assign(result['settings']!['inFlight']!, { 1: null })],
    ['settings.scenarios[0]', (result) => Object.assign(result['settings']!['scenarios']!, { 0: 'tea' })],
    ['subjects', (result) => Object.assign(result['subjects']![1]!, { name: '1 <member> & "co"' })],
    ['measurements[2].subject', (result) => Object.assign(result['measurements']![2]!, { subject: 'x' })],
    ['measurements[0].operation', (result) => Object.assign(result['measurements']![0]!, { operation: 'x' })],
    ['measurements[0].runs', (result) => Object.assign(result['measurements']![0]!, { runs: [] })],
    [
      'measurements[0].latencyNs.p99',
      (result) => Object.assign(result['measurements']![0]!['latencyNs']!, { p99: undefined }),
    ],
    [
      'measurements[0].runs[1].errors.TIMEOUT',
      (result) => Object.assign(result['measurements']![0]!['runs']![1]!['errors']!, { TIMEOUT: 'many' }),
    ],
    [
      'measurements[0].runs[1].histogram',
      (result) => Object.assign(result['measurements']![0]!['runs']![1]!, { histogram: 'AAAA' }),
    ],
    [
      'measurements[0].runs[1].series',
      (result) => Object.assign(result['measurements']![0]!['runs']![1]!['series']!, { p50Ns: [] }),
    ],
  ];
  it.each(broken)('refuses a bad %s and names it', (field, change) => {
    const act = (): unknown => readResult(changed(change));
    expect(act).toThrow(InvalidResultError);
    expect(act).toThrow(new RegExp(`^${field.replace(/[[\].]/g, '\\$&')}: expected `));
  });
  it.each([null, 3, 'x', []])('refuses %j', (value) => {
    expect(() => readResult(value)).toThrow('result: expected an object');
  });
});
