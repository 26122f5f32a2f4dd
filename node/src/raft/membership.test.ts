import type { LogIndex, Term } from '@synccluster/client/protocol';
import { describe, expect, test } from 'vitest';
import { EMPTY_STATE } from './raft.ts';
import { configurationOf, founded, member, Network } from './testing/network.ts';

/** Member 1 alone, as a cluster is founded; the others hold nothing. */
function alone(others: readonly number[]): Network {
  const network = new Network(1);
  network.add(1, founded(configurationOf([1])));
  for (const id of others) network.add(id, EMPTY_STATE);
  network.elect(1);
  return network;
}

describe('growing and shrinking (thesis §4)', () => {
  test('from one member to three and back, through learners, with writes all the way', () => {
    const network = alone([2, 3]);
    const steps = [
      configurationOf([1], [2, 3]),
      configurationOf([1, 2], [3]),
      configurationOf([1, 2, 3]),
      configurationOf([1, 2]),
      configurationOf([1]),
    ];
    for (const step of steps) {
      expect(network.change(1, step)).toBeTypeOf('number');
      network.propose(1);
      network.run(4);
      const { commit, lastIndex, configuration } = network.raft(1).status();
      expect([commit, configuration]).toEqual([lastIndex, step]);
    }
  });

  test('learners get everything, count for nothing and never campaign (thesis §4.2.1)', () => {
    const network = alone([2]);
    network.change(1, configurationOf([1], [2]));
    network.run(4);
    network.isolate(2);
    const index = network.propose(1);
    network.settle();
    expect(network.raft(1).status().commit).toBe(index);
    network.run(60);
    expect(network.raft(1).role).toBe('leader');
    expect(network.raft(2).role).toBe('follower');
    network.heal();
    network.run(4);
    expect(network.get(2).applied.index).toBe(index);
  });

  test('a learner that does not know yet that it was promoted votes when asked', () => {
    const network = alone([2, 3]);
    network.change(1, configurationOf([1], [2, 3]));
    network.run(4);
    network.change(1, configurationOf([1, 2], [3]));
    network.run(4);
    // The promotion of 3 reaches 2 only, and 1 is gone: 2 needs the vote of 3.
    network.isolate(3);
    network.change(1, configurationOf([1, 2, 3]));
    network.settle();
    network.crash(1);
    network.heal();
    expect(network.raft(3).status().configuration.learners).toHaveLength(1);
    network.run(60);
    expect(network.raft(2).role).toBe('leader');
    expect(network.raft(3).status().configuration).toEqual(configurationOf([1, 2, 3]));
  });
});

describe('one change at a time (thesis §4.1)', () => {
  test('the next waits until the last is committed', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(2, 3);
    expect(network.change(1, configurationOf([1, 2]))).toBeTypeOf('number');
    expect(network.change(1, configurationOf([1]))).toBe('changePending');
    network.heal();
    network.run(4);
    expect(network.change(1, configurationOf([1]))).toBeTypeOf('number');
  });

  test('none before an entry of the own term is committed (correction of 2015)', () => {
    const network = Network.of(3);
    network.raft(1).campaign();
    network.drain(1);
    while (network.raft(1).role !== 'leader') {
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    expect(network.raft(1).status().committedInTerm).toBe(false);
    expect(network.change(1, configurationOf([1, 2]))).toBe('changePending');
    network.settle();
    expect(network.change(1, configurationOf([1, 2, 3, 4, 5]))).toBe('invalid');
    expect(network.change(2, configurationOf([1, 2]))).toBe('notLeader');
    expect(network.change(1, configurationOf([1, 2]))).toBeTypeOf('number');
  });

  test('nor by a leader that knows the last change to be committed, only not in its term', () => {
    const network = Network.of(3);
    network.elect(1);
    network.raft(1).transferLeadership(member(2));
    network.drain(1);
    while (network.raft(2).role !== 'leader') {
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    expect(network.raft(2).status()).toMatchObject({
      committedInTerm: false,
      commit: 2,
      configurationIndex: 1,
    });
    expect(network.change(2, configurationOf([2, 3]))).toBe('changePending');
    network.settle();
    expect(network.change(2, configurationOf([2, 3]))).toBeTypeOf('number');
  });

  test('in force when appended: an added voter counts before its entry is committed', () => {
    const network = alone([2]);
    const index = network.change(1, configurationOf([1, 2]));
    network.sync(1);
    expect(network.raft(1).status()).toMatchObject({ configurationIndex: index, commit: 2 });
    network.settle();
    network.run(4);
    expect(network.raft(1).status().commit).toBe(index);
  });

  test('taken back when its entry is truncated', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(1);
    network.change(1, configurationOf([1, 2]));
    network.sync(1);
    expect(network.raft(1).status().configuration).toEqual(configurationOf([1, 2]));
    network.run(60);
    network.heal();
    network.run(10);
    expect(network.raft(1).status().configuration).toEqual(configurationOf([1, 2, 3]));
    expect(network.raft(1).status().configurationIndex).toBe(1);
  });

  test('a configuration survives restart, with and without its entry in the log', () => {
    const network = Network.of(3);
    network.elect(1);
    network.change(1, configurationOf([1, 2]));
    network.settle();
    network.crash(2);
    network.restart(2);
    expect(network.raft(2).status().configuration).toEqual(configurationOf([1, 2]));
    network.run(4);
    network.compact(2);
    network.crash(2);
    network.restart(2);
    expect(network.raft(2).status().configuration).toEqual(configurationOf([1, 2]));
  });
});

describe('removal (thesis §4.2.2, §4.2.3)', () => {
  test('a removed leader leads until that is committed, does not count itself, then hands over', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(3);
    const index = network.change(1, configurationOf([2, 3]));
    network.settle();
    // Durable on 1 and 2: no majority of {2, 3}.
    expect(network.raft(1).status()).toMatchObject({ role: 'leader', commit: 2 });
    network.heal();
    // No election timeout passes: the best voter is told to campaign.
    network.run(8);
    expect(network.raft(1).status()).toMatchObject({ role: 'follower', commit: index });
    expect([2, 3]).toContain(network.leader()!.id);
    network.run(100);
    expect(network.raft(1).role).toBe('follower');
    expect(network.propose(network.leader()!.id)).toBeTypeOf('number');
  });

  test('a removed member that does not know it disturbs nobody', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(3);
    network.change(1, configurationOf([1, 2]));
    network.run(4);
    network.heal();
    network.run(200);
    expect(network.raft(3).role).toBe('preCandidate');
    expect([network.raft(1).role, network.raft(1).term]).toEqual(['leader', 2]);
    // Nor does one that would ask for votes outright.
    network.deliver({
      type: 'vote',
      from: member(3),
      to: member(2),
      term: 77 as Term,
      preVote: false,
      lastIndex: 900 as LogIndex,
      lastTerm: 76 as Term,
      transfer: false,
    });
    expect(network.raft(2).term).toBe(2);
  });

  test('of two voters the one to be removed may alone hold the entry: it still campaigns (figure 4.6)', () => {
    const network = Network.of(2);
    network.elect(1);
    network.isolate(2);
    network.change(1, configurationOf([2]));
    network.sync(1);
    network.crash(1);
    network.restart(1);
    network.heal();
    network.run(100);
    expect(network.leader()!.id).toBe(2);
    expect(network.raft(2).status().configuration).toEqual(configurationOf([2]));
    expect(network.propose(2)).toBeTypeOf('number');
  });

  test('messages of strangers are answered by the same rules', () => {
    const network = Network.of(3);
    network.elect(1);
    const before = network.raft(1).status();
    for (const type of ['appendResponse', 'heartbeatResponse'] as const) {
      network.deliver({
        type,
        from: member(99),
        to: member(1),
        term: 2 as Term,
        rejected: false,
        index: 2 as LogIndex,
        hintIndex: 0 as LogIndex,
        hintTerm: 0 as Term,
        round: 0,
      } as never);
    }
    expect(network.raft(1).status()).toEqual(before);
  });
});
