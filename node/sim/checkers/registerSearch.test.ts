import { describe, expect, it } from 'vitest';
import { checkLinearizableRegisters } from './registerSearch.ts';
import { History, verdicts } from './testing/history.ts';

const BROKEN = ['linearizable registers: broken'];

function put(history: History, value: string, version: number, ttlMs = 0): void {
  history.did(1, 'cachePut', { key: 'x', value, ttlMs }, { version });
}
function lostPut(history: History, value: string, ttlMs = 0): void {
  history.begin(1, 'cachePut', { key: 'x', value, ttlMs }).unknown('TIMEOUT');
}
function get(history: History, value: string | null, version = 0): void {
  history.did(2, 'cacheGet', { key: 'x', level: 'linearizable' }, { version, value });
}
function remove(history: History, existed: boolean): void {
  history.did(3, 'cacheDelete', { key: 'x' }, { existed });
}
const check = ({ operations }: History) => verdicts(checkLinearizableRegisters(operations));

describe('linearizable registers', () => {
  it('read what was written last', () => {
    const history = new History();
    get(history, null);
    put(history, 'a', 1);
    get(history, 'a', 1);
    put(history, 'b', 2);
    get(history, 'b', 2);
    remove(history, true);
    get(history, null);
    remove(history, false);
    expect(check(history)).toEqual([]);
  });

  it('do not read what was replaced', () => {
    const history = new History();
    put(history, 'a', 1);
    put(history, 'b', 2);
    get(history, 'a', 1);
    expect(check(history)).toEqual(BROKEN);
  });

  it('do not read an absence that nobody made, nor a presence', () => {
    const absent = new History();
    put(absent, 'a', 1);
    get(absent, null);
    expect(check(absent)).toEqual(BROKEN);
    const present = new History();
    put(present, 'a', 1);
    remove(present, true);
    get(present, 'a', 1);
    expect(check(present)).toEqual(BROKEN);
    const invented = new History();
    get(invented, 'a', 1);
    expect(check(invented)).toEqual(BROKEN);
  });

  it('do not tell of a deletion what was not so', () => {
    const history = new History();
    remove(history, true);
    expect(check(history)).toEqual(BROKEN);
    const other = new History();
    put(other, 'a', 1);
    remove(other, false);
    expect(check(other)).toEqual(BROKEN);
  });

  it('may show a write under way to one reader, and then to all', () => {
    const history = new History();
    put(history, 'a', 1);
    const writing = history.begin(1, 'cachePut', { key: 'x', value: 'b', ttlMs: 0 });
    get(history, 'a', 1);
    get(history, 'b', 2);
    writing.ok({ version: 2 });
    expect(check(history)).toEqual([]);

    const back = new History();
    put(back, 'a', 1);
    const under = back.begin(1, 'cachePut', { key: 'x', value: 'b', ttlMs: 0 });
    get(back, 'b', 2);
    get(back, 'a', 1);
    under.ok({ version: 2 });
    expect(check(back)).toEqual(BROKEN);
  });

  it('let a write that never came back take effect late, once, or never', () => {
    const never = new History();
    put(never, 'a', 1);
    lostPut(never, 'b');
    get(never, 'a', 1);
    expect(check(never)).toEqual([]);
    const late = new History();
    put(late, 'a', 1);
    lostPut(late, 'b');
    get(late, 'a', 1);
    get(late, 'b', 2);
    expect(check(late)).toEqual([]);
    const twice = new History();
    lostPut(twice, 'b');
    get(twice, 'b', 1);
    put(twice, 'c', 2);
    get(twice, 'b', 1);
    expect(check(twice)).toEqual(BROKEN);
    const early = new History();
    get(early, 'b', 1);
    lostPut(early, 'b');
    expect(check(early)).toEqual(BROKEN);
  });

  it('let a deletion that never came back explain one absence, not two', () => {
    const history = new History();
    put(history, 'a', 1);
    history.begin(3, 'cacheDelete', { key: 'x' }).unknown('TIMEOUT');
    get(history, 'a', 1);
    get(history, null);
    expect(check(history)).toEqual([]);
    put(history, 'b', 2);
    get(history, null);
    expect(check(history)).toEqual(BROKEN);
  });

  it('let a put that never came back explain what a deletion found', () => {
    const history = new History();
    lostPut(history, 'a');
    remove(history, true);
    expect(check(history)).toEqual([]);
    remove(history, true);
    expect(check(history)).toEqual(BROKEN);
  });

  it('let an entry with a time to live end at any time, and not come back', () => {
    const history = new History();
    put(history, 'a', 1, 500);
    get(history, 'a', 1);
    get(history, null);
    expect(check(history)).toEqual([]);
    get(history, 'a', 1);
    expect(check(history)).toEqual(BROKEN);
  });

  it('let an unanswered put with a time to live replace a value and then end', () => {
    const history = new History();
    put(history, 'a', 1);
    lostPut(history, 'b', 500);
    get(history, null);
    expect(check(history)).toEqual([]);
    put(history, 'c', 3);
    get(history, null);
    expect(check(history)).toEqual(BROKEN);
  });

  it('leave out what was refused, and reads of lower levels', () => {
    const history = new History();
    put(history, 'a', 1);
    history.begin(1, 'cachePut', { key: 'x', value: 'b', ttlMs: 0 }).fail('DISK_FULL');
    put(history, 'c', 2);
    history.did(2, 'cacheGet', { key: 'x', level: 'any' }, { version: 1, value: 'a' });
    get(history, 'c', 2);
    expect(check(history)).toEqual([]);
    get(history, 'b', 3);
    expect(check(history)).toEqual(BROKEN);
  });

  it('do not decide when the search runs out of steps', () => {
    const history = new History();
    for (let i = 1; i <= 20; i++) put(history, `v${i}`, i);
    expect(verdicts(checkLinearizableRegisters(history.operations, 10))).toEqual([
      'linearizable registers: undecided',
    ]);
  });

  it('are found out within the bound in a long history full of what never came back', () => {
    const history = new History();
    for (let i = 1; i <= 3_000; i++) {
      if (i % 3 === 0) lostPut(history, `v${i}`, i % 2 === 0 ? 100 : 0);
      else put(history, `v${i}`, i);
      if (i % 5 === 0) history.begin(3, 'cacheDelete', { key: 'x' }).unknown('TIMEOUT');
      const last = i % 3 === 0 ? i - 1 : i;
      get(history, `v${last}`, last);
    }
    expect(check(history)).toEqual([]);
    get(history, 'v1', 1);
    expect(check(history)).toEqual(BROKEN);
  });
});
