import type { Term } from '@synccluster/client/protocol';
import { describe, expect, test } from 'vitest';
import { configurationOf, founded, member, Network } from './testing/network.ts';
import type { Heartbeat } from './types.ts';

const heartbeats = (network: Network): Heartbeat[] =>
  network.messages.filter((one): one is Heartbeat => one.type === 'heartbeat');

describe('ReadIndex (thesis §6.4)', () => {
  test('reads asked for before a ready share one round, served when a quorum has answered it', () => {
    const network = Network.of(3);
    network.elect(1);
    const round = network.read(1);
    expect(network.read(1)).toBe(round);
    network.drain(1);
    expect(heartbeats(network)).toMatchObject([{ round }, { round }]);
    expect(network.read(1)).toBe(round! + 1);
    expect(network.get(1).reads).toEqual([]);
    network.settle();
    expect(network.get(1).reads.map((read) => read.index)).toEqual([2, 2]);
  });

  test('an answer to an earlier heartbeat does not confirm a later read', () => {
    const network = Network.of(3);
    network.elect(1);
    network.tick(1, 2);
    const answers = heartbeats(network).map((one) => one.round);
    for (const message of network.messages.splice(0)) network.deliver(message);
    const old = network.messages.splice(0);
    const round = network.read(1);
    network.drain(1);
    for (const message of old) network.deliver(message);
    expect(Math.max(...answers)).toBeLessThan(round!);
    expect(network.get(1).reads).toEqual([]);
  });

  test('an answer to one round does not confirm the next, already under way', () => {
    const network = Network.of(3);
    network.elect(1);
    const first = network.read(1);
    network.drain(1);
    for (const message of network.messages.splice(0)) network.deliver(message);
    const answers = network.messages.splice(0);
    network.read(1);
    network.drain(1);
    for (const message of answers) network.deliver(message);
    expect(network.get(1).reads.map((read) => read.round)).toEqual([first]);
  });

  test('a later round confirms the earlier ones, when their own answers were lost', () => {
    const network = Network.of(3);
    network.elect(1);
    const first = network.read(1);
    network.drain(1);
    network.messages = [];
    network.run(4);
    expect(network.get(1).reads.map((read) => read.round)).toEqual([first]);
  });

  test('none before an entry of the own term is committed: the commit index may be stale', () => {
    const network = Network.of(3);
    network.raft(1).campaign();
    network.drain(1);
    for (let step = 0; step < 50 && network.raft(1).role !== 'leader'; step += 1) {
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    if (!network.raft(1).status().committedInTerm) expect(network.read(1)).toBeNull();
    network.settle();
    expect(network.read(1)).toBeTypeOf('number');
    expect(network.read(2)).toBeNull();
  });

  test('a deposed leader that does not know it serves nothing', () => {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(1);
    network.read(1);
    network.drain(1);
    // Time passes for the others only.
    while (network.leader()!.id === 1) {
      network.tick(2);
      network.tick(3);
      network.settle();
    }
    expect(network.propose(network.leader()!.id)).toBeTypeOf('number');
    network.settle();
    expect(network.raft(1).role).toBe('leader');
    network.heal();
    network.run(5);
    expect(network.get(1).reads).toEqual([]);
    expect(network.raft(1).role).toBe('follower');
  });

  test('numbers are never given out twice, not even after leadership was lost and won again', () => {
    const network = Network.of(3);
    network.elect(1);
    const first = network.read(1);
    network.raft(1).step({
      type: 'vote',
      from: member(2),
      to: member(1),
      term: 9 as Term,
      preVote: false,
      lastIndex: 0 as never,
      lastTerm: 0 as Term,
      transfer: true,
    });
    network.drain(1);
    network.run(60);
    for (let i = 0; i < 200 && network.raft(1).role !== 'leader'; i += 1) {
      network.leader()?.raft.transferLeadership(member(1));
      network.run(1);
    }
    const second = network.read(1);
    expect(second).toBeGreaterThan(first!);
    network.drain(1);
    network.settle();
    expect(network.get(1).reads.map((read) => read.round)).toEqual([second]);
  });

  test('the only voter answers at once, learners or not', () => {
    const network = new Network(1);
    const state = founded(configurationOf([1], [2]));
    network.add(1, state);
    network.add(2, state);
    network.isolate(2);
    network.elect(1);
    const round = network.read(1);
    network.drain(1);
    expect(network.get(1).reads).toEqual([{ round, index: 2 }]);
  });
});
