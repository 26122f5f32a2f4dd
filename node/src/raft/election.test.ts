import type { LogIndex, Term } from '@synccluster/client/protocol';
import { describe, expect, test } from 'vitest';
import { EMPTY_STATE } from './raft.ts';
import { configurationOf, founded, member, Network } from './testing/network.ts';
import type { Message, VoteRequest } from './types.ts';

function voteRequest(from: number, to: number, term: number, rest: Partial<VoteRequest> = {}): VoteRequest {
  return {
    type: 'vote',
    from: member(from),
    to: member(to),
    term: term as Term,
    preVote: false,
    lastIndex: 100 as LogIndex,
    lastTerm: term as Term,
    transfer: false,
    ...rest,
  };
}
const votesOf = (network: Network): Message[] =>
  network.messages.filter((message) => message.type === 'voteResponse');

describe('election (Raft §5.2)', () => {
  test('a silent group elects one leader by itself', () => {
    const network = Network.of(3);
    network.run(60);
    const leader = network.leader();
    expect(leader).not.toBeNull();
    for (const at of network.members.values()) expect(at.raft.leader).toBe(leader!.id);
  });

  test.each([
    [0, 10],
    [0.999, 19],
  ])('with %d drawn the timeout is %i ticks, of 10 to 20', (drawn, ticks) => {
    const network = new Network(1, { random: () => drawn });
    network.add(1, founded(configurationOf([1, 2])));
    network.tick(1, ticks - 1);
    expect(network.raft(1).role).toBe('follower');
    network.tick(1);
    expect(network.raft(1).role).toBe('preCandidate');
  });

  test('one vote per term, also after a crash (Raft §5.2, figure 2)', () => {
    const network = Network.of(3);
    network.deliver(voteRequest(2, 1, 5));
    expect(votesOf(network)).toEqual([]); // Not before the vote is durable.
    network.sync(1);
    expect(votesOf(network)).toMatchObject([{ to: 2, granted: true, term: 5 }]);
    network.crash(1);
    network.restart(1);
    network.messages = [];
    network.deliver(voteRequest(3, 1, 5));
    network.deliver(voteRequest(2, 1, 5));
    network.sync(1);
    expect(votesOf(network)).toMatchObject([
      { to: 3, granted: false },
      { to: 2, granted: true },
    ]);
  });

  test('a vote lost in a crash was never sent', () => {
    const network = Network.of(3);
    network.deliver(voteRequest(2, 1, 5));
    network.crash(1);
    network.restart(1);
    expect(votesOf(network)).toEqual([]);
    expect(network.raft(1).term).toBe(1);
  });

  test.each([
    [1, 1, false],
    [2, 1, true],
    [3, 1, true],
    [1, 2, true],
    [9, 0, false],
  ])(
    'a candidate whose log ends at (%i, term %i) gets the vote of one at (2, term 1): %s (Raft §5.4.1)',
    (lastIndex, lastTerm, granted) => {
      const network = Network.of(3);
      const raft = network.raft(1);
      raft.step({
        type: 'append',
        from: member(3),
        to: member(1),
        term: 1 as Term,
        prevIndex: 1 as LogIndex,
        prevTerm: 1 as Term,
        commit: 0 as LogIndex,
        entries: [
          {
            ...founded(configurationOf([1])).entries[0]!,
            index: 2 as LogIndex,
            kind: 0,
            configuration: null,
          },
        ],
      });
      network.drain(1);
      network.tick(1, 10); // The lease of member 3 is over.
      network.messages = [];
      network.deliver(voteRequest(2, 1, 5, { lastIndex: lastIndex as LogIndex, lastTerm: lastTerm as Term }));
      network.sync(1);
      expect(votesOf(network)).toMatchObject([{ granted }]);
    },
  );

  test('the own vote counts only when durable, also for the only voter', () => {
    const network = Network.of(1);
    network.raft(1).campaign();
    network.drain(1);
    expect(network.raft(1).role).toBe('candidate');
    network.sync(1);
    expect(network.raft(1).role).toBe('leader');
    expect(network.raft(1).status()).toMatchObject({ term: 2, commit: 2, committedInTerm: true });
  });

  test('a candidate asks for votes only when its own is durable', () => {
    const network = Network.of(2);
    network.raft(1).campaign();
    network.drain(1);
    for (const message of network.messages.splice(0)) network.deliver(message);
    for (const message of network.messages.splice(0)) network.deliver(message);
    expect(network.raft(1).role).toBe('candidate');
    expect(network.messages).toEqual([]);
    network.syncOne(1);
    network.sync(1);
    expect(network.messages).toMatchObject([{ type: 'vote', preVote: false, term: 2 }]);
  });

  test('a member that never heard of the group votes and never campaigns', () => {
    const network = new Network(1);
    network.add(1, EMPTY_STATE);
    network.tick(1, 100);
    network.raft(1).campaign();
    network.drain(1);
    expect(network.raft(1).role).toBe('follower');
    expect(network.messages).toEqual([]);
    network.deliver(voteRequest(2, 1, 3));
    network.sync(1);
    expect(votesOf(network)).toMatchObject([{ granted: true }]);
  });
});

describe('pre-vote and leader lease (thesis §9.6, §4.2.3)', () => {
  test('a member that was cut off does not unseat the leader when it returns', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(3);
    network.run(100);
    expect(network.raft(3).role).toBe('preCandidate');
    expect(network.raft(3).term).toBe(2);
    network.heal();
    network.run(5);
    expect([network.raft(1).role, network.raft(1).term, network.raft(3).leader]).toEqual(['leader', 2, 1]);
  });

  test('a pre-vote for another term than the one asked about is not counted', () => {
    const network = Network.of(3);
    network.raft(1).campaign();
    network.drain(1);
    const answer = {
      type: 'voteResponse',
      from: member(2),
      to: member(1),
      preVote: true,
      granted: true,
    } as const;
    network.deliver({ ...answer, term: 9 as Term });
    expect([network.raft(1).role, network.raft(1).term]).toEqual(['preCandidate', 1]);
    network.deliver({ ...answer, term: 2 as Term });
    expect([network.raft(1).role, network.raft(1).term]).toEqual(['candidate', 2]);
  });

  test('votes are refused while a leader is heard of, and a higher term is not entered', () => {
    const network = Network.of(3);
    network.elect(1);
    network.deliver(voteRequest(3, 2, 50));
    network.deliver(voteRequest(3, 1, 50));
    expect([network.raft(2).term, network.raft(1).term]).toEqual([2, 2]);
    network.tick(2, 10);
    network.deliver(voteRequest(3, 2, 50));
    expect(network.raft(2).term).toBe(50);
  });

  test('a member stuck in a higher term brings a lower leader to its term', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(3);
    network.raft(3).step(voteRequest(2, 3, 40, { transfer: true }));
    network.drain(3);
    network.heal();
    network.run(60);
    expect(network.leader()!.raft.term).toBeGreaterThan(40);
    expect(network.raft(3).leader).toBe(network.leader()!.id);
  });
});

describe('check-quorum (thesis §6.2)', () => {
  test('a leader without a quorum steps down within an election timeout', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(1);
    network.run(10);
    expect(network.raft(1).role).not.toBe('leader');
    expect(network.raft(1).readIndex()).toBeNull();
    expect(network.propose(1)).toBe('notLeader');
    network.run(40);
    expect(network.leader()!.id).not.toBe(1);
  });

  test('one follower of two is enough', () => {
    const network = Network.of(3);
    network.elect(1);
    network.crash(3);
    network.run(100);
    expect(network.raft(1).role).toBe('leader');
    const { progress } = network.raft(1).status();
    expect(progress.map((one) => [one.id, one.active])).toEqual([
      [1, true],
      [2, true],
      [3, false],
    ]);
  });

  test('two leaders in one term stop the member that sees them', () => {
    const network = Network.of(3);
    network.elect(1);
    const heartbeat = { type: 'heartbeat', term: 2 as Term, commit: 0 as LogIndex, round: 0 } as const;
    expect(() => network.raft(1).step({ ...heartbeat, from: member(3), to: member(1) })).toThrow(
      'two members lead',
    );
    expect(() => network.raft(2).step({ ...heartbeat, from: member(3), to: member(2) })).toThrow(
      'two members lead',
    );
  });
});

describe('leadership transfer (thesis §3.10)', () => {
  test('goes to a voter once it has everything, past the lease of the others', () => {
    const network = Network.of(3);
    network.elect(1);
    network.propose(1);
    expect(network.raft(1).transferLeadership(member(2))).toBe(true);
    expect(network.propose(1)).toBe('transferring');
    expect(network.raft(1).status().transferee).toBe(2);
    network.drain(1);
    network.settle();
    expect([network.raft(2).role, network.raft(1).leader, network.raft(2).term]).toEqual(['leader', 2, 3]);
  });

  test('is aborted after an election timeout', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(2);
    network.propose(1);
    network.settle();
    expect(network.raft(1).transferLeadership(member(2))).toBe(true);
    network.run(9);
    expect(network.propose(1)).toBe('transferring');
    network.run(1);
    expect(network.propose(1)).toBeTypeOf('number');
  });

  test.each([
    ['to itself', 1],
    ['to a learner', 4],
    ['to a stranger', 9],
  ])('is refused %s', (_, to) => {
    const network = new Network(1);
    const state = founded(configurationOf([1, 2, 3], [4]));
    for (const id of [1, 2, 3, 4]) network.add(id, state);
    network.elect(1);
    expect(network.raft(1).transferLeadership(member(to))).toBe(false);
    expect(network.raft(2).transferLeadership(member(1))).toBe(false);
  });

  test('an order to campaign counts from the present leader only', () => {
    const network = Network.of(3);
    network.elect(1);
    network.deliver({ type: 'timeoutNow', from: member(3), to: member(2), term: 2 as Term });
    expect(network.raft(2).role).toBe('follower');
  });
});
