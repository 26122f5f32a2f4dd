import type { ReadLevelName } from '@synccluster/client';
import { describe, expect, it } from 'vitest';
import { checkReadsByLogIndex } from './registerLog.ts';
import { History, verdicts } from './testing/history.ts';

const BROKEN = ['reads by log index: broken'];
const at = (index: number, resent = false) => ({ group: 1, index, resent });

function put(
  history: History,
  value: string,
  version: number,
  index: number,
  ttlMs = 0,
  resent = false,
): void {
  history.did(1, 'cachePut', { key: 'x', value, ttlMs }, { version }, at(index, resent));
}
function get(
  history: History,
  value: string | null,
  version: number,
  index: number,
  level: ReadLevelName = 'linearizable',
  client = 2,
): void {
  history.did(client, 'cacheGet', { key: 'x', level }, { version, value }, at(index));
}
function remove(history: History, index: number): void {
  history.did(3, 'cacheDelete', { key: 'x' }, { existed: true }, at(index));
}
const check = ({ operations }: History) => verdicts(checkReadsByLogIndex(operations));

describe('reads by log index', () => {
  it('show the last write up to their index, at every level', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    put(history, 'b', 2, 12);
    get(history, 'a', 1, 11, 'any');
    get(history, 'b', 2, 12);
    remove(history, 15);
    get(history, 'b', 2, 14, 'any');
    get(history, null, 0, 15);
    expect(check(history)).toEqual([]);
  });

  it('do not show what was replaced, at any level', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    put(history, 'b', 2, 12);
    get(history, 'a', 1, 13, 'any');
    expect(check(history)).toEqual(BROKEN);
  });

  it('do not show what was deleted, what comes later, or what nobody wrote', () => {
    const deleted = new History();
    put(deleted, 'a', 1, 10);
    remove(deleted, 11);
    get(deleted, 'a', 1, 12, 'any');
    const future = new History();
    put(future, 'a', 1, 10);
    get(future, 'a', 1, 9, 'any');
    const invented = new History();
    get(invented, 'a', 1, 9, 'any');
    for (const history of [deleted, future, invented]) expect(check(history)).toEqual(BROKEN);
  });

  it('do not miss what is there', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    get(history, null, 0, 12, 'any');
    expect(check(history)).toEqual(BROKEN);
  });

  it('may miss what a deletion without an answer, or time, may have taken', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    history.begin(3, 'cacheDelete', { key: 'x' }).unknown('TIMEOUT');
    get(history, null, 0, 12);
    put(history, 'b', 2, 13, 500);
    get(history, null, 0, 14);
    expect(check(history)).toEqual([]);
  });

  it('of level linearizable are no older than any answer before', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    get(history, null, 0, 9);
    expect(check(history)).toEqual(BROKEN);
  });

  it('of level session are no older than what their own client saw', () => {
    const history = new History();
    get(history, null, 0, 7, 'session', 5);
    put(history, 'a', 1, 10);
    get(history, null, 0, 9, 'session', 5);
    expect(check(history)).toEqual([]);
    get(history, null, 0, 8, 'session', 5);
    expect(check(history)).toEqual(BROKEN);
  });

  it('at one index are one', () => {
    const history = new History();
    history.begin(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 }).unknown('TIMEOUT');
    get(history, 'a', 1, 9, 'any');
    get(history, null, 0, 9, 'any', 3);
    expect(check(history)).toEqual(BROKEN);
  });

  it('take a write that was sent again to stand anywhere up to its answer', () => {
    const history = new History();
    const resent = history.begin(1, 'cachePut', { key: 'x', value: 'a', ttlMs: 0 });
    put(history, 'b', 2, 12);
    get(history, 'b', 2, 12);
    resent.ok({ version: 1 }, at(14, true));
    get(history, 'b', 2, 14);
    expect(check(history)).toEqual([]);
  });

  it('see writes stand behind whatever was answered before they began', () => {
    const history = new History();
    put(history, 'a', 1, 10);
    put(history, 'b', 2, 10);
    expect(check(history)).toEqual(BROKEN);
  });
});
