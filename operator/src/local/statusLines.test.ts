import { describe, expect, it } from 'vitest';
import type { JsonObject } from './json.ts';
import type { StoredObject } from './objects.ts';
import { statusLine } from './statusLines.ts';

function cluster(ready: number, conditions: readonly [string, string, string, string][]): StoredObject {
  const object: JsonObject = {
    apiVersion: 'synccluster.io/v1alpha1',
    kind: 'SyncCluster',
    metadata: { name: 'db', namespace: 'ns', uid: 'u', resourceVersion: '1' },
    spec: { members: 3 },
    status: {
      readyReplicas: ready,
      leader: 'db-0',
      conditions: conditions.map(([type, status, reason, message]) => ({
        type,
        status,
        reason,
        message,
        lastTransitionTime: '2030-01-01T00:00:00Z',
      })),
    },
  };
  return object as StoredObject;
}
const LED: [string, string, string, string] = ['Available', 'True', 'AllGroupsLed', 'every group is led'];

describe('the line on a SyncCluster', () => {
  it('says what changed and leaves out what did not', () => {
    const before = cluster(2, [LED, ['Progressing', 'True', 'Promoting', 'members 1, 2']]);
    const after = cluster(3, [LED, ['Progressing', 'False', 'Settled', 'done']]);
    expect(statusLine(before, after)).toBe(
      'SyncCluster ns/db  3/3 ready  leader db-0  Progressing=False Settled: done',
    );
  });
  it('is not repeated when the status was written again', () => {
    expect(statusLine(cluster(3, [LED]), cluster(3, [LED]))).toBeNull();
    const inOtherWords: typeof LED = ['Available', 'True', 'AllGroupsLed', 'all is well'];
    expect(statusLine(cluster(3, [LED]), cluster(3, [inOtherWords]))).toBeNull();
  });
  it('gives one explanation once', () => {
    const after = cluster(0, [
      ['Available', 'False', 'NoLeader', 'x'],
      ['Degraded', 'True', 'NoLeader', 'x'],
    ]);
    expect(statusLine(cluster(0, [LED]), after)).toBe(
      'SyncCluster ns/db  0/3 ready  leader db-0  Available=False Degraded=True NoLeader: x',
    );
  });
});
