import { expect, test } from 'vitest';
import { parsePrinted } from '../printedTable.ts';

test('cells are found by the place of their heads, empty ones and ones with spaces too', () => {
  const text = [
    'NAME         CLUSTER   PRESET   OPS/S                    STATE       AGE',
    'demo-light   demo      Light    lock 1.2k · queue 12k    Succeeded   9s',
    'other        demo      Light                             Running     1s',
    '',
  ].join('\n');
  expect(parsePrinted(text)).toEqual([
    {
      NAME: 'demo-light',
      CLUSTER: 'demo',
      PRESET: 'Light',
      'OPS/S': 'lock 1.2k · queue 12k',
      STATE: 'Succeeded',
      AGE: '9s',
    },
    { NAME: 'other', CLUSTER: 'demo', PRESET: 'Light', 'OPS/S': '', STATE: 'Running', AGE: '1s' },
  ]);
});

test('nothing printed is no row', () => {
  expect(parsePrinted('')).toEqual([]);
});
