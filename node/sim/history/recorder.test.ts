import { describe, expect, it } from 'vitest';
import { decodeOperations, encodeLines } from './jsonLines.ts';
import { isDone, isKind } from './operations.ts';
import { Recorder } from './recorder.ts';

function setUp() {
  const time = { worldMs: 0 };
  const recorder = new Recorder(() => time.worldMs);
  const clock = { monotonicMs: () => time.worldMs + 7, wallMs: () => time.worldMs + 1_000 };
  return { time, recorder, clock };
}

describe('the recorder', () => {
  it('keeps call, answer, both moments and every clock', () => {
    const { time, recorder, clock } = setUp();
    const open = recorder.invoke(3, clock, 'cachePut', { key: 'x', value: 'v', ttlMs: 0 });
    time.worldMs = 5;
    open.ok({ version: 9 }, { group: 1, index: 4, resent: false });
    expect(recorder.operations()).toEqual([
      {
        id: 1,
        client: 3,
        kind: 'cachePut',
        call: { key: 'x', value: 'v', ttlMs: 0 },
        invoked: { order: 1, worldMs: 0, monotonicMs: 7, wallMs: 1_000 },
        completed: { order: 2, worldMs: 5, monotonicMs: 12, wallMs: 1_005 },
        outcome: 'ok',
        error: null,
        answer: { version: 9 },
        at: { group: 1, index: 4, resent: false },
      },
    ]);
  });

  it('takes what never came back for unknown, and gives one order to all clients', () => {
    const { recorder, clock } = setUp();
    recorder.invoke(1, clock, 'lockInspect', { name: 'l' });
    const second = recorder.invoke(2, clock, 'cacheDelete', { key: 'x' });
    second.fail('DISK_FULL');
    recorder.note(1, clock, 'clusterChanged', { clusterId: 'c' }, {});
    const operations = recorder.operations();
    expect(operations.map(({ outcome }) => outcome)).toEqual(['unknown', 'fail', 'ok']);
    const orders = operations.flatMap(({ invoked, completed }) => [invoked.order, completed?.order ?? 0]);
    expect(orders).toEqual([1, 0, 2, 3, 4, 5]);
    expect(recorder.nextOrder()).toBe(6);
  });

  it('refuses a second end', () => {
    const { recorder, clock } = setUp();
    const open = recorder.invoke(1, clock, 'cacheDelete', { key: 'x' });
    open.ok({ existed: true });
    expect(() => open.unknown('TIMEOUT')).toThrow('completed twice');
  });

  it('tells kinds apart for the compiler too', () => {
    const { recorder, clock } = setUp();
    recorder.invoke(1, clock, 'cacheDelete', { key: 'x' }).ok({ existed: true });
    const [operation] = recorder.operations();
    expect(isKind(operation!, 'cacheDelete') && isDone(operation) && operation.answer.existed).toBe(true);
    expect(isKind(operation!, 'cachePut')).toBe(false);
  });
});

describe('lines of a history', () => {
  it('come back as they were', () => {
    const { recorder, clock } = setUp();
    recorder
      .invoke(1, clock, 'enqueue', { queue: 'q', key: null, payload: 'ä\n"', delayMs: 0 })
      .unknown('TIMEOUT');
    recorder.invoke(1, clock, 'receive', { queue: 'q', max: 1, waitMs: 0, visibilityMs: 0 });
    const operations = recorder.operations();
    const text = encodeLines(operations);
    expect(text.split('\n')).toHaveLength(3);
    expect(decodeOperations(text)).toEqual(operations);
  });

  it('are the same bytes for the same record, however its fields were put in', () => {
    const { recorder, clock } = setUp();
    recorder.invoke(1, clock, 'cachePut', { key: 'x', value: 'v', ttlMs: 0 });
    const other = setUp();
    other.recorder.invoke(1, other.clock, 'cachePut', { ttlMs: 0, value: 'v', key: 'x' });
    const text = encodeLines(recorder.operations());
    expect(encodeLines(other.recorder.operations())).toBe(text);
    expect(text).toMatch(/^\{"id":1,"client":1,"kind":"cachePut"/);
  });

  it('name the line that is none', () => {
    expect(() => decodeOperations('{"id":1')).toThrow('line 1 is not JSON');
    expect(() => decodeOperations('\n[]')).toThrow('line 2 has no id');
    expect(() => decodeOperations('3')).toThrow('line 1 is not a record');
  });
});
