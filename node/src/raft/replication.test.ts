import type { LogIndex, StampMs, Term } from '@synccluster/client/protocol';
import { describe, expect, test } from 'vitest';
import { EMPTY_STATE } from './raft.ts';
import { configurationOf, entryOf, founded, member, Network } from './testing/network.ts';
import type { AppendRequest, Entry, Message, RestoredState } from './types.ts';
import { EntryKind } from './types.ts';

const appendsTo = (network: Network, to: number): AppendRequest[] =>
  network.messages.filter((one): one is AppendRequest => one.type === 'append' && one.to === to);
const payload = (bytes: number): Uint8Array => new Uint8Array(bytes);

/** The founding entry, then one entry per term given. */
function withTerms(configuration: RestoredState, terms: readonly number[]): RestoredState {
  const entries: Entry[] = [...configuration.entries, ...terms.map((term, i) => entryOf(i + 2, term))];
  return { hardState: { term: 9 as Term, vote: 0 }, snapshot: null, entries };
}

describe('commit (Raft §5.3, thesis §10.2.1)', () => {
  test('the leader sends before its own write is durable, and counts itself only when it is', () => {
    const network = Network.of(2);
    network.elect(1);
    const index = network.propose(1);
    expect(appendsTo(network, 2)).toMatchObject([{ entries: [{ index }] }]);
    for (const message of network.messages.splice(0)) network.deliver(message);
    network.sync(2);
    for (const message of network.messages.splice(0)) network.deliver(message);
    expect(network.raft(1).status().commit).toBe(2);
    network.sync(1);
    expect(network.raft(1).status().commit).toBe(index);
  });

  test('what others committed is applied here when the own copy is durable', () => {
    const network = Network.of(3);
    network.elect(1);
    const index = network.propose(1);
    for (let round = 0; round < 3; round += 1) {
      network.sync(2);
      network.sync(3);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    expect(network.raft(1).status()).toMatchObject({ commit: index, durable: 2 });
    expect(network.get(1).applied.index).toBe(2);
    expect(network.get(2).applied.index).toBe(index);
    network.sync(1);
    expect(network.get(1).applied.index).toBe(index);
  });

  test('an entry of an earlier term is not committed by counting (Raft §5.4.2, figure 8)', () => {
    const network = new Network(1);
    const state = withTerms(founded(configurationOf([1, 2, 3])), [2, 2]);
    for (const id of [1, 2, 3]) network.add(id, state);
    network.raft(1).campaign();
    network.drain(1);
    while (network.raft(1).role !== 'leader') {
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    network.sync(1);
    const { term } = network.raft(1);
    const answer = { type: 'appendResponse', from: member(2), to: member(1), term, rejected: false } as const;
    const hints = { hintIndex: 0 as LogIndex, hintTerm: 0 as Term };
    // Entries 1 … 3 are on a quorum, but a later leader could still replace them.
    network.deliver({ ...answer, ...hints, index: 3 as LogIndex });
    expect(network.raft(1).status().commit).toBe(0);
    network.settle();
    expect(network.raft(1).status().commit).toBe(4);
  });

  test('what a leader has not vouched for is not committed, whatever its commit index says', () => {
    const network = new Network(1);
    const state = founded(configurationOf([1, 2, 3]));
    network.add(1, state);
    network.add(2, withTerms(state, [2, 2]));
    network.deliver({
      type: 'append',
      from: member(1),
      to: member(2),
      term: 9 as Term,
      prevIndex: 1 as LogIndex,
      prevTerm: 1 as Term,
      commit: 3 as LogIndex,
      entries: [],
    });
    // Entries 2 and 3 may be those of a leader that was never followed by a quorum.
    expect(network.raft(2).status().commit).toBe(1);
  });

  test('followers learn of a commit without waiting for the next entry or heartbeat', () => {
    const network = Network.of(3);
    network.elect(1);
    const index = network.propose(1);
    network.settle();
    for (const id of [1, 2, 3]) expect(network.get(id).applied.index).toBe(index);
  });

  test('a heartbeat that counts on entries the member no longer has stops it: its disk lied', () => {
    const network = Network.of(3);
    network.elect(1);
    const lost = { type: 'heartbeat', term: 2 as Term, commit: 50 as LogIndex, round: 0 } as const;
    expect(() => network.raft(2).step({ ...lost, from: member(1), to: member(2) })).toThrow(
      'its disk lost them',
    );
  });
});

describe('backing up (Raft §5.3)', () => {
  test.each([
    ['is short', [], [2, 2, 3, 3]],
    ['is long', [2, 2, 2, 2, 2, 2], [2, 2, 3]],
    ['went other ways', [2, 2, 2, 2, 4, 4, 4], [2, 3, 3, 5, 5]],
    ['agrees nowhere', [2, 2, 2, 2], [3, 3, 3, 3]],
  ])('a follower whose log %s is brought to the leader in a few probes', (_, theirs, ours) => {
    const network = new Network(1);
    const base = founded(configurationOf([1, 2, 3]));
    network.add(1, withTerms(base, ours));
    network.add(2, withTerms(base, theirs));
    network.add(3, withTerms(base, ours));
    network.isolate(2);
    network.elect(1);
    network.heal();
    network.run(8);
    expect(network.get(2).log.map((entry) => entry.term)).toEqual(
      network.get(1).log.map((entry) => entry.term),
    );
    network.checker.checkLogs();
  });

  test('a long divergence takes one probe per term, not one per entry', () => {
    const network = new Network(1);
    const base = founded(configurationOf([1, 2, 3]));
    network.add(1, withTerms(base, new Array<number>(300).fill(6)));
    network.add(2, withTerms(base, new Array<number>(300).fill(5)));
    network.add(3, withTerms(base, new Array<number>(300).fill(6)));
    network.isolate(2);
    network.elect(1);
    network.heal();
    let rejected = 0;
    for (let round = 0; round < 400 && network.raft(2).status().commit < 302; round += 1) {
      for (const id of [1, 2, 3]) network.tick(id);
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) {
        if (message.type === 'appendResponse' && message.rejected) rejected += 1;
        network.deliver(message);
      }
    }
    expect(network.raft(2).status().commit).toBe(302);
    expect(rejected).toBeLessThan(5);
  });

  test('what is not well formed is dropped whole', () => {
    const network = Network.of(3);
    network.elect(1);
    const before = network.raft(2).status();
    network.deliver({
      type: 'append',
      from: member(1),
      to: member(2),
      term: 2 as Term,
      prevIndex: 2 as LogIndex,
      prevTerm: 2 as Term,
      commit: 9 as LogIndex,
      entries: [entryOf(3, 2), entryOf(5, 2)],
    });
    expect(network.raft(2).status()).toEqual(before);
  });
});

describe('pipelining and windows (thesis §10.2.1)', () => {
  test('proposals between two readies leave in as few appends as their size allows', () => {
    const network = Network.of(3, 1, { maxAppendBytes: 100_000, maxInflightBytes: 1e9 });
    network.elect(1);
    for (let i = 0; i < 1000; i += 1) network.raft(1).propose(0 as StampMs, payload(8));
    network.drain(1);
    expect(appendsTo(network, 2)).toMatchObject([{ entries: { length: 1000 } }]);
    network.settle();
    expect(network.get(3).applied.index).toBe(1002);
  });

  test('appends go ahead of their answers up to the window of messages', () => {
    const network = Network.of(3);
    network.elect(1);
    for (let i = 0; i < 10; i += 1) network.propose(1);
    expect(appendsTo(network, 2).map((one) => one.entries.length)).toEqual([1, 1, 1, 1]);
    network.settle();
    expect(network.get(2).applied.index).toBe(12);
  });

  test('and up to the window of bytes', () => {
    const network = Network.of(3, 1, {
      maxInflightMessages: 1000,
      maxInflightBytes: 3000,
      maxAppendBytes: 10,
    });
    network.elect(1);
    for (let i = 0; i < 10; i += 1) network.propose(1, payload(1000));
    expect(appendsTo(network, 2)).toHaveLength(3);
  });

  test('an entry larger than message and window still goes', () => {
    const network = Network.of(3, 1, { maxInflightBytes: 10, maxAppendBytes: 10 });
    network.elect(1);
    const index = network.propose(1, payload(1 << 20));
    network.settle();
    expect(network.get(2).applied.index).toBe(index);
  });

  test('lost appends are found out without new proposals', () => {
    const network = Network.of(3);
    network.elect(1);
    for (let i = 0; i < 3; i += 1) network.propose(1);
    network.messages = network.messages.filter((message) => message.to !== 2);
    network.run(12);
    expect(network.get(2).applied.index).toBe(5);
  });

  test('proposals are refused while too much is uncommitted, and let through again after', () => {
    const network = Network.of(3, 1, { maxUncommittedBytes: 1000 });
    network.elect(1);
    expect(network.propose(1, payload(5000))).toBe(3); // Nothing was under way.
    expect(network.propose(1, payload(1))).toBe('overloaded');
    network.settle();
    expect(network.propose(1, payload(500))).toBe(4);
    expect(network.propose(1, payload(600))).toBe('overloaded');
    expect(network.propose(1, payload(100))).toBe(5);
  });

  test('stamps never fall: a proposal gets the last one at least, so does a new leader', () => {
    const network = Network.of(3);
    network.elect(1);
    network.propose(1, payload(1), 5000);
    network.propose(1, payload(1), 4000);
    network.settle();
    network.raft(1).transferLeadership(member(2));
    network.drain(1);
    network.settle();
    expect(
      network
        .get(2)
        .log.slice(-3)
        .map((entry) => [entry.kind, entry.stampMs]),
    ).toEqual([
      [EntryKind.Commands, 5000],
      [EntryKind.Commands, 5000],
      [EntryKind.Empty, 5000],
    ]);
    expect(network.propose(2, payload(1), Number.NaN)).toBe('invalid');
    expect(network.propose(2, payload(1), -1)).toBe('invalid');
  });
});

describe('snapshots (Raft §7)', () => {
  function lagging(): Network {
    const network = Network.of(3);
    network.elect(1);
    network.isolate(3);
    for (let i = 0; i < 20; i += 1) {
      network.propose(1);
      network.settle();
    }
    network.compact(1);
    return network;
  }

  test('a follower whose entries are gone gets a snapshot, then the rest', () => {
    const network = lagging();
    network.heal();
    const index = network.propose(1);
    network.run(10);
    expect(network.get(3).disk.snapshot!.index).toBe(22);
    expect(network.get(3).applied.index).toBe(index);
    expect(network.raft(3).status().configuration).toEqual(configurationOf([1, 2, 3]));
  });

  test('one is streamed at a time, and again only after a word of the peer when it failed', () => {
    const network = lagging();
    network.heal();
    for (let i = 0; i < 10 && network.streams.length === 0; i += 1) {
      for (const id of [1, 2, 3]) network.tick(id);
      for (const id of [1, 2, 3]) network.sync(id);
      for (const message of network.messages.splice(0)) network.deliver(message);
    }
    expect(network.streams).toHaveLength(1);
    const deliverAll = (): void => {
      for (const message of network.messages.splice(0)) network.deliver(message);
      for (const id of [1, 2, 3]) network.sync(id);
    };
    for (let i = 0; i < 6; i += 1) {
      network.tick(1);
      deliverAll();
    }
    expect(network.streams).toHaveLength(1);
    network.raft(1).snapshotReported(member(3), false);
    network.drain(1);
    expect(network.streams).toHaveLength(1);
    for (let i = 0; i < 6; i += 1) {
      network.tick(1);
      deliverAll();
    }
    expect(network.streams).toHaveLength(2);
  });

  test('while one is being installed the log stands still, and a crash finds the old log', () => {
    const network = lagging();
    network.heal();
    const before = network.raft(3).status();
    const meta = network.get(1).disk.snapshot!;
    const arrived: Message = { type: 'snapshot', from: member(1), to: member(3), term: 2 as Term, meta };
    network.deliver(arrived);
    network.propose(1);
    for (const message of network.messages.splice(0)) network.deliver(message);
    network.tick(3, 30); // Would campaign otherwise.
    expect(network.raft(3).status()).toMatchObject({
      lastIndex: before.lastIndex,
      commit: before.commit,
      role: 'follower',
    });
    network.crash(3);
    network.restart(3);
    expect(network.raft(3).status().lastIndex).toBe(before.lastIndex);
    network.run(10);
    expect(network.get(3).applied.index).toBe(23);
  });

  test('one that the log already holds only tells what is committed', () => {
    const network = Network.of(3);
    network.elect(1);
    const index = network.propose(1);
    for (const message of network.messages.splice(0)) network.deliver(message);
    network.isolate(2); // It holds the entry, and does not hear that it is committed.
    network.settle();
    network.heal();
    expect(network.raft(2).status()).toMatchObject({ commit: 2, lastIndex: index });
    const meta = {
      index: index as LogIndex,
      term: 2 as Term,
      stampMs: 0 as StampMs,
      configuration: configurationOf([1, 2, 3]),
    };
    network.deliver({ type: 'snapshot', from: member(1), to: member(2), term: 2 as Term, meta });
    expect(network.raft(2).status().commit).toBe(index);
    expect(network.get(2).batches.every((batch) => batch.install === null)).toBe(true);
    network.deliver({
      type: 'snapshot',
      from: member(1),
      to: member(2),
      term: 2 as Term,
      meta: { ...meta, index: 1 as LogIndex },
    });
    expect(network.raft(2).status().commit).toBe(index);
  });

  test('an old one changes nothing where its index is compacted away', () => {
    const network = lagging();
    network.compact(2);
    const before = network.raft(2).status();
    const meta = { ...network.get(2).disk.snapshot!, index: 5 as LogIndex };
    network.deliver({ type: 'snapshot', from: member(1), to: member(2), term: 2 as Term, meta });
    expect(network.raft(2).status()).toEqual(before);
    expect(network.get(2).batches.every((batch) => batch.install === null)).toBe(true);
  });

  test('an append behind an installed snapshot is taken (the boundary term is known)', () => {
    const network = lagging();
    network.heal();
    network.run(10);
    network.compact(3);
    network.crash(3);
    network.restart(3);
    const index = network.propose(1);
    network.run(4);
    expect(network.get(3).applied.index).toBe(index);
  });

  test('a new member with nothing is brought up from a compacted log', () => {
    const network = lagging();
    network.add(4, EMPTY_STATE);
    network.change(1, configurationOf([1, 2, 3], [4]));
    network.run(15);
    expect(network.get(4).applied.index).toBe(network.get(1).applied.index);
    expect(network.raft(4).status().configuration).toEqual(configurationOf([1, 2, 3], [4]));
  });
});
