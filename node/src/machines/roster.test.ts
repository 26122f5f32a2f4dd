import { assignSlots, LockMode, QueryOp } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { acquire, genesis, open, recover, release, rosterChange } from './testing/commands.ts';
import { coordination } from './testing/world.ts';

function founded() {
  const w = coordination();
  w.ok(genesis('c1', 3, 11, 0));
  return w;
}

describe('genesis', () => {
  it('founds the cluster with one voter and a slot table', () => {
    const { machine } = founded();
    expect(machine.clusterId()).toBe('c1');
    expect(machine.shards()).toBe(3);
    expect(machine.slotEpoch()).toBe(1);
    expect(machine.slotTable()).toEqual(assignSlots(3));
    expect(machine.roster()).toEqual({ version: 1, members: [[11, 0, 'voter']], tombstones: [] });
  });

  it('happens once', () => {
    const w = founded();
    expect(w.code(genesis('c1', 3, 11, 0))).toBe('CONFLICT');
    expect(w.machine.roster().version).toBe(1);
  });

  it('comes before any change', () => {
    const w = coordination();
    expect(w.code(rosterChange(0, [12, 1, 'learner']))).toBe('CONFLICT');
    expect(w.machine.roster().version).toBe(0);
  });
});

describe('roster', () => {
  it('adds, promotes and removes; a removed id is a tombstone for ever', () => {
    const w = founded();
    expect(w.ok(rosterChange(1, [12, 1, 'learner'], [9, 2, 'learner']))).toEqual([2]);
    expect(w.ok(rosterChange(2, [12, 1, 'voter']))).toEqual([3]);
    expect(w.ok(rosterChange(3, [11, 0, 'removed']))).toEqual([4]);
    expect(w.machine.roster()).toEqual({
      version: 4,
      members: [
        [9, 2, 'learner'],
        [12, 1, 'voter'],
      ],
      tombstones: [11],
    });
    expect(w.code(rosterChange(4, [11, 0, 'learner']))).toBe('CONFLICT');
    expect(w.code(rosterChange(4, [11, 0, 'removed']))).toBe('CONFLICT');
    expect(w.ask([QueryOp.ClusterInspect]).slice(3, 6)).toEqual([4, w.machine.roster().members, [11]]);
  });

  it('replaces a member on its ordinal in one change, whatever the order', () => {
    const w = founded();
    w.ok(rosterChange(1, [12, 1, 'voter']));
    expect(w.ok(rosterChange(2, [13, 0, 'learner'], [11, 0, 'removed']))).toEqual([3]);
  });

  it.each([
    ['a stale version', rosterChange(7, [12, 1, 'learner']), 'CONFLICT'],
    ['an ordinal that is taken', rosterChange(1, [12, 0, 'learner']), 'CONFLICT'],
    ['two on one ordinal', rosterChange(1, [12, 1, 'learner'], [13, 1, 'learner']), 'CONFLICT'],
    ['removing the last voter', rosterChange(1, [12, 1, 'learner'], [11, 0, 'removed']), 'CONFLICT'],
    ['demoting the last voter', rosterChange(1, [11, 0, 'learner']), 'CONFLICT'],
    ['removing a stranger', rosterChange(1, [99, 4, 'removed']), 'NOT_FOUND'],
    ['an id named twice', rosterChange(1, [12, 1, 'learner'], [12, 1, 'voter']), 'INVALID_ARGUMENT'],
  ])('refuses %s and changes nothing', (_, command, code) => {
    const w = founded();
    const before = w.machine.digest();
    expect(w.code(command)).toBe(code);
    expect(w.machine.digest()).toBe(before);
  });

  it('names the present version in a conflict', () => {
    expect(founded().run(rosterChange(9, [12, 1, 'learner']))).toMatchObject({ detail: 1 });
  });
});

describe('recovery', () => {
  it('leaves the survivor alone under a new id, and everybody else out for ever', () => {
    const w = founded();
    w.ok(rosterChange(1, [12, 1, 'voter'], [13, 2, 'learner'], [9, 3, 'learner']));
    w.ok(rosterChange(2, [9, 3, 'removed']));
    expect(w.ok(recover('c2', 12, 1))).toEqual([4]);
    expect(w.machine.clusterId()).toBe('c2');
    expect(w.machine.roster()).toEqual({
      version: 4,
      members: [[12, 1, 'voter']],
      tombstones: [9, 11, 13],
    });
    expect([w.machine.shards(), w.machine.slotEpoch()]).toEqual([3, 1]);
    for (const gone of [9, 11, 13]) expect(w.code(rosterChange(4, [gone, 4, 'learner']))).toBe('CONFLICT');
    expect(w.ok(rosterChange(4, [14, 0, 'learner']))).toEqual([5]);
  });

  it('happens once for each id', () => {
    const w = founded();
    w.ok(recover('c2', 11, 0));
    w.ok(rosterChange(2, [12, 1, 'learner']));
    const before = w.machine.digest();
    expect(w.code(recover('c2', 11, 0))).toBe('CONFLICT');
    expect(w.machine.digest()).toBe(before);
    // A second loss, from another survivor.
    w.ok(recover('c3', 12, 1));
    expect(w.machine.roster()).toEqual({ version: 4, members: [[12, 1, 'voter']], tombstones: [11] });
  });

  it('takes up again one that the lost cluster had removed', () => {
    const w = founded();
    w.ok(rosterChange(1, [12, 1, 'voter']));
    w.ok(rosterChange(2, [11, 0, 'removed']));
    w.ok(recover('c2', 11, 0));
    expect(w.machine.roster()).toEqual({ version: 4, members: [[11, 0, 'voter']], tombstones: [12] });
  });

  it('keeps sessions and locks, and tokens go on rising', () => {
    const w = founded();
    const session = w.number(open());
    const token = w.number(acquire(session, 'a', LockMode.Exclusive, 0));
    // The clock of the survivor may be behind the one that stamped the log.
    w.ok(recover('c2', 11, 0));
    expect(w.ok(release(session, 'a', token))).toEqual([]);
    expect(w.number(acquire(session, 'a', LockMode.Exclusive, 0))).toBeGreaterThan(token);
  });

  it('needs a cluster', () => {
    const w = coordination();
    expect(w.code(recover('c2', 11, 0))).toBe('CONFLICT');
    expect(w.machine.clusterId()).toBe('');
  });
});
