import { expect, test } from 'vitest';
import { uninstalledSpans } from '../uninstalledSpans.ts';

const LEASE = ['rolebindings', 'synccluster-operator-lease', 'system'] as const;
const RIGHTS = ['clusterrolebindings', 'system:synccluster-operator'] as const;
const OF_ANOTHER = ['clusterrolebindings', 'another'] as const;
const LISTED = ['rolebindings', 'system:synccluster-operator', 'shop'] as const;

type Binding = readonly [resource: string, name: string, namespace?: string];

function line(second: number, verb: string, [resource, name, namespace]: Binding, code = 200): string {
  return JSON.stringify({
    auditID: String(second),
    verb,
    objectRef: { resource, name, ...(namespace === undefined ? {} : { namespace }) },
    requestReceivedTimestamp: `00:00:0${second}`,
    responseStatus: { code },
  });
}
const spans = (...lines: string[]) => uninstalledSpans(lines.join('\n'), 'system');

test('a release is not installed from the first of its bindings that goes until the last is back', () => {
  const log = [
    line(1, 'delete', LEASE),
    line(2, 'delete', RIGHTS),
    line(3, 'get', RIGHTS, 404),
    line(4, 'patch', RIGHTS, 201),
    line(5, 'create', LEASE, 201),
    line(6, 'patch', LEASE),
  ];
  expect(spans(...log)).toEqual([['00:00:01', '00:00:05']]);
});

test('what was refused, is of others or in a namespace that is served no more is no end of the release', () => {
  const log = [line(1, 'delete', RIGHTS, 404), line(2, 'delete', OF_ANOTHER), line(3, 'delete', LISTED)];
  expect(spans(...log)).toEqual([]);
});

test('a binding that never comes back is an error', () => {
  expect(() => spans(line(1, 'delete', LEASE))).toThrow('synccluster-operator-lease');
});
