import { SyncError } from '@synccluster/client';
import { describe, expect, it } from 'vitest';
import { failureOf } from './outcomes.ts';

describe('the outcome of a call', () => {
  it('is unknown wherever the write may still have happened', () => {
    for (const code of [
      'TIMEOUT',
      'CANCELLED',
      'OUTCOME_UNKNOWN',
      'SESSION_EXPIRED',
      'UNAVAILABLE',
    ] as const) {
      expect(failureOf(new SyncError(code, ''))).toEqual({ outcome: 'unknown', error: code });
    }
  });

  it('is a failure where apply, or the leader before it, refused', () => {
    for (const code of ['LOCK_HELD', 'STALE_RECEIPT', 'DISK_FULL'] as const) {
      expect(failureOf(new SyncError(code, ''))).toEqual({ outcome: 'fail', error: code });
    }
  });

  it('is no outcome when the workload itself is wrong', () => {
    expect(() => failureOf(new TypeError('oops'))).toThrow('oops');
  });
});
