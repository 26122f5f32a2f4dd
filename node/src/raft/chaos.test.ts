import { describe, expect, test } from 'vitest';
import { EMPTY_STATE } from './raft.ts';
import { configurationOf, founded, Network, seeded } from './testing/network.ts';
import type { Configuration } from './types.ts';

const STEPS = 1500;
const SEEDS = 60;

/** Moves one random member one step: learner, voter, gone and back. */
function nextConfiguration(present: Configuration, id: number): Configuration | null {
  const voters: number[] = present.voters.map((one) => one.id);
  const learners: number[] = present.learners.map((one) => one.id);
  if (voters.includes(id)) {
    const rest = voters.filter((one) => one !== id);
    return rest.length === 0 ? null : configurationOf(rest, learners);
  }
  if (learners.includes(id)) {
    return configurationOf(
      [...voters, id],
      learners.filter((one) => one !== id),
    );
  }
  return configurationOf(voters, [...learners, id]);
}

interface Faults {
  readonly drop: number;
  readonly duplicate: number;
  readonly crash: number;
  readonly change: number;
}

function chaos(seed: number, faults: Faults): Network {
  const random = seeded(seed ^ 0x5eed);
  const pick = (count: number): number => Math.floor(random() * count);
  const network = new Network(seed);
  const state = founded(configurationOf([1, 2, 3]));
  for (let id = 1; id <= 3; id += 1) network.add(id, state);
  for (let id = 4; id <= 5; id += 1) network.add(id, EMPTY_STATE);
  for (let i = 0; i < STEPS; i += 1) {
    const id = pick(5) + 1;
    const leader = network.leader()?.id ?? id;
    const dice = random();
    if (network.get(id).down && random() < 0.2) network.restart(id);
    else if (dice < 0.3) network.tick(id, 1 + pick(3));
    else if (dice < 0.55) for (let n = pick(6); n >= 0; n -= 1) network.syncOne(id);
    else if (dice < 0.65) network.propose(random() < 0.8 ? leader : id, new Uint8Array(pick(200)), i);
    else if (dice < 0.68) {
      network.read(random() < 0.5 ? leader : id);
      network.drain(id);
      network.drain(leader);
    } else if (dice < 0.68 + faults.change) {
      const next = nextConfiguration(network.raft(leader).status().configuration, id);
      if (next !== null && !network.get(leader).down) network.change(leader, next);
    } else if (dice < 0.74) network.compact(id, pick(4));
    else if (dice < 0.75) {
      network.raft(leader).transferLeadership(network.get(id).id);
      network.drain(leader);
    } else if (dice < 0.75 + faults.crash) {
      if (!network.get(id).down) network.crash(id, pick(3));
    } else if (dice < 0.78) {
      network.heal();
      if (random() < 0.4) network.isolate(id);
    }
    // Messages arrive in any order, some twice, some never, some very late.
    for (let n = pick(8); n > 0 && network.messages.length > 0; n -= 1) {
      const at = random() < 0.7 ? 0 : pick(network.messages.length);
      const message = network.messages[at]!;
      if (random() >= faults.duplicate) network.messages.splice(at, 1);
      if (random() >= faults.drop) network.deliver(message);
    }
    if (network.streams.length > 0 && random() < 0.1) network.deliverStream(network.streams.shift()!);
    if (i % 100 === 0) network.checker.checkLogs();
  }
  return network;
}

/** With the faults over, a leader is found and everyone it counts has all of its log. */
function recovers(network: Network): void {
  network.heal();
  for (const at of network.members.values()) if (at.down) network.restart(at.id);
  network.run(120);
  const leader = network.leader();
  expect(leader).not.toBeNull();
  expect(network.propose(leader!.id)).toBeTypeOf('number');
  const round = network.read(leader!.id);
  network.drain(leader!.id);
  network.run(30);
  const { commit, lastIndex, configuration } = leader!.raft.status();
  expect(commit).toBe(lastIndex);
  expect(leader!.reads.map((read) => read.round)).toContain(round);
  for (const { id } of [...configuration.voters, ...configuration.learners]) {
    expect(network.get(id).applied.index).toBe(commit);
  }
  network.checker.checkLogs();
}

describe.each([
  ['a bad network', { drop: 0.2, duplicate: 0.2, crash: 0, change: 0 }],
  ['crashes', { drop: 0.05, duplicate: 0.05, crash: 0.02, change: 0 }],
  ['membership changes', { drop: 0.02, duplicate: 0.05, crash: 0, change: 0.03 }],
  ['everything at once', { drop: 0.1, duplicate: 0.1, crash: 0.015, change: 0.03 }],
])('safety and recovery (Raft figure 3) under %s', (name, faults) => {
  test(name, () => {
    let commits = 0;
    let served = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        const network = chaos(seed, faults);
        commits += network.checker.highestCommit;
        served += network.checker.served;
        recovers(network);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    // The runs did something: else they prove nothing.
    expect(commits / SEEDS).toBeGreaterThan(10);
    expect(served).toBeGreaterThan(SEEDS / 4);
  });
});
