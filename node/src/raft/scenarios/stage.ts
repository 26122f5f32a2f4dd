import type { MemberId, Ordinal, Term } from '@synccluster/client/protocol';
import { EMPTY_STATE } from '../raft.ts';
import type { SimMember } from '../testing/network.ts';
import { member, Network } from '../testing/network.ts';
import type { ConfigurationMember, Message, RaftOptions, RaftStatus } from '../types.ts';
import { Dealer } from './dealer.ts';
import { wordChange, wordEntry, wordMessage, wordProgress, wordSnapshot, wordStatus } from './wording.ts';
import { bytes, number, text } from './words.ts';

const OPTION_NAMES: readonly (keyof RaftOptions)[] = [
  'electionTicks',
  'heartbeatTicks',
  'maxInflightMessages',
  'maxInflightBytes',
  'maxAppendBytes',
  'maxUncommittedBytes',
];

/** 10 to 20 ticks is what the network draws from; always the middle, so that a transcript can count on it. */
const MIDDLE = 0.5;

/**
 * Members, disks and messages as a transcript commands them. What a command prints is what it caused, in order:
 * messages that left, writes that began, and what changed in a member's state. Every step is also checked against
 * what Raft promises (`../testing/checker.ts`).
 */
export class Stage {
  private network: Network;
  private options: Partial<RaftOptions> = { random: () => MIDDLE };
  private dealer = new Dealer([]);
  private seen = new Map<MemberId, RaftStatus>();
  private lines: string[] = [];
  private readonly cut = new Set<number>();
  private readonly commands: Readonly<Record<string, (words: readonly string[]) => void>>;

  constructor() {
    this.network = new Network(1, this.options);
    this.commands = {
      option: ([name, value]) => this.option(text(name), number(value)),
      group: (words) => this.group(words),
      member: ([id, ...words]) => this.member(number(id), words),
      blank: (words) => this.each(words, (id) => this.network.add(id, EMPTY_STATE)),
      campaign: ([id]) => this.at(id, ({ raft }) => raft.campaign()),
      tick: ([who, times]) => this.tick(text(who), times === undefined ? 1 : number(times)),
      propose: ([id, data]) => this.outcome(id, (at) => this.network.propose(at, bytes(text(data)))),
      read: ([id, times]) => this.outcome(id, (at) => this.read(at, times === undefined ? 1 : number(times))),
      'add-learner': ([id, who]) => this.change(id, who, 'learner'),
      promote: ([id, who]) => this.change(id, who, 'voter'),
      remove: ([id, who]) => this.change(id, who, 'none'),
      transfer: ([id, to]) =>
        this.outcome(id, (at) => (this.network.raft(at).transferLeadership(member(number(to))) ? '' : 'no')),
      sync: (words) => this.each(words, (id) => this.network.sync(id)),
      'sync-one': ([id]) => this.outcome(id, (at) => (this.network.syncOne(at) ? '' : 'nothing to write')),
      deliver: (words) => this.deliver(words),
      repeat: ([link]) => this.repeat(text(link)),
      drop: ([link]) => this.drop(link),
      stream: ([link]) => this.stream(text(link)),
      cut: (words) => this.cutOff(words.map(number)),
      heal: () => this.heal(),
      crash: ([id, keep]) => this.network.crash(number(id), keep === undefined ? 0 : number(keep)),
      restart: (words) => this.each(words, (id) => this.restart(id)),
      compact: ([id, keep]) => this.network.compact(number(id), keep === undefined ? 0 : number(keep)),
      settle: () => this.settle(),
      'settle-quietly': () => this.quietly(() => this.settle()),
      pass: ([ticks]) => this.quietly(() => this.pass(number(ticks))),
      status: (words) => this.status(words),
      progress: ([id]) => this.lines.push(...wordProgress(this.network.raft(number(id)).status())),
      log: (words) => this.log(words),
      'under-way': () => this.lines.push(...this.network.messages.map(wordMessage)),
    };
  }

  run(words: readonly string[]): readonly string[] {
    const [name, ...rest] = words;
    const command = this.commands[text(name)];
    if (command === undefined) throw new Error(`no such command: ${name}`);
    this.lines = [];
    command(rest);
    this.observe();
    return this.lines;
  }

  /** At the end of a transcript, over all it did. */
  finish(): void {
    this.network.checker.checkLogs();
  }

  // ---- Setting the stage

  private option(name: string, value: number): void {
    const known = OPTION_NAMES.find((option) => option === name);
    if (known === undefined || this.network.members.size > 0) throw new Error(`no such option now: ${name}`);
    this.options = { ...this.options, [known]: value };
    this.network = new Network(1, this.options);
  }

  /** `group 1 2 3`: founded members, all voters. */
  private group(words: readonly string[]): void {
    this.dealer = new Dealer(words.map(number));
    for (const id of words) this.member(number(id), ['log', '1']);
  }

  /** `member 2 term 7 log 1 1 4`: the terms of its entries; the first entry is the configuration of `group`. */
  private member(id: number, words: readonly string[]): void {
    const log = words.indexOf('log');
    const terms = words.slice(log + 1).map(number);
    const entries = terms.map((term, i) => this.dealer.deal(i + 1, term));
    const term = words[0] === 'term' ? number(words[1]) : terms[terms.length - 1]!;
    this.network.members.delete(member(id));
    this.network.add(id, { hardState: { term: term as Term, vote: 0 }, snapshot: null, entries });
    this.seen.set(member(id), this.network.raft(id).status());
  }

  // ---- What came of it

  private observe(): void {
    for (const at of this.network.members.values()) {
      const before = this.seen.get(at.id);
      const after = at.raft.status();
      this.seen.set(at.id, after);
      const change = before === undefined ? null : wordChange(before, after);
      if (change !== null) this.lines.push(change);
    }
  }

  /** One call on one member; its messages, writes and reads are printed behind what changed in it. */
  private act(run: () => void): void {
    const { network } = this;
    const messages = network.messages.length;
    const streams = network.streams.length;
    const marks = [...network.members.values()].map((at) => ({
      at,
      batches: new Set(at.batches),
      reads: at.reads.length,
    }));
    run();
    this.observe();
    for (const { at, batches, reads } of marks) this.news(at, batches, reads);
    for (const message of network.messages.slice(messages)) this.lines.push(wordMessage(message));
    for (const { from, to, meta } of network.streams.slice(streams)) {
      this.lines.push(`${from}=>${to} streams ${wordSnapshot(meta)}`);
    }
  }

  private news(at: SimMember, before: ReadonlySet<SimMember['batches'][number]>, reads: number): void {
    for (const batch of at.batches) {
      if (before.has(batch)) continue;
      const parts: string[] = [];
      const { hardState, entries, install } = batch;
      if (hardState !== null) parts.push(`term ${hardState.term} vote ${hardState.vote || 'none'}`);
      if (entries.length > 0) parts.push(entries.map(wordEntry).join(', '));
      if (install !== null) parts.push(wordSnapshot(install));
      if (parts.length > 0) this.lines.push(`${at.id} writes ${parts.join('; ')}`);
    }
    for (const { round, index } of at.reads.slice(reads)) {
      this.lines.push(`${at.id} serves reads of round ${round} at ${index}`);
    }
  }

  private quietly(run: () => void): void {
    const before = new Map(this.seen);
    run();
    this.seen = before;
    this.lines = [];
  }

  // ---- Commands

  private each(words: readonly string[], run: (id: number) => void): void {
    const named = words.length === 0 ? [...this.network.members.keys()] : words.map(number);
    for (const id of named) this.act(() => run(id));
  }

  private at(word: string | undefined, run: (at: SimMember) => void): void {
    const id = number(word);
    this.act(() => {
      run(this.network.get(id));
      this.network.drain(id);
    });
  }

  private outcome(word: string | undefined, run: (id: number) => string | number): void {
    this.act(() => {
      const id = number(word);
      const result = run(id);
      if (typeof result === 'number') this.lines.push(`= ${result}`);
      else if (result !== '') this.lines.push(`= refused: ${result}`);
      this.network.drain(id);
    });
  }

  /** `read 1 3`: three reads at once, before anything leaves. */
  private read(id: number, times: number): string | number {
    let round: number | null = null;
    for (let i = 0; i < times; i += 1) round = this.network.read(id);
    return round ?? 'not a leader that has committed in its term';
  }

  private cutOff(named: readonly number[]): void {
    this.network.isolate(...named);
    for (const id of named) this.cut.add(id);
  }

  private heal(): void {
    this.network.heal();
    this.cut.clear();
  }

  private tick(who: string, times: number): void {
    for (let i = 0; i < times; i += 1) {
      this.each(who === 'all' ? [] : [who], (id) => this.network.tick(id));
    }
  }

  private change(
    word: string | undefined,
    who: string | undefined,
    role: 'learner' | 'voter' | 'none',
  ): void {
    this.outcome(word, (id) => {
      const { voters, learners } = this.network.raft(id).status().configuration;
      const subject = number(who);
      const named: ConfigurationMember[] = [{ id: member(subject), ordinal: subject as Ordinal }];
      const others = (members: readonly ConfigurationMember[]) => members.filter((one) => one.id !== subject);
      return this.network.change(id, {
        voters: [...others(voters), ...(role === 'voter' ? named : [])],
        learners: [...others(learners), ...(role === 'learner' ? named : [])],
      });
    });
  }

  private isOn(
    link: string | undefined,
  ): (message: { readonly from: MemberId; readonly to: MemberId }) => boolean {
    if (link === undefined) return () => true;
    const [from, to] = link.split('->').map(number);
    return (message) => message.from === from && message.to === to;
  }

  /** Takes the messages under way now, on this link or on all; what they cause stays under way. */
  private take(link: string | undefined): Message[] {
    const isOn = this.isOn(link);
    const taken = this.network.messages.filter(isOn);
    this.network.messages = this.network.messages.filter((message) => !isOn(message));
    return taken;
  }

  /** `deliver`, `deliver 1->2`, `deliver 1->2 1` (the oldest only), `deliver 1->2 last`, `deliver 1->2 1->3`. */
  private deliver(words: readonly string[]): void {
    const links = words.filter((word) => word.includes('->'));
    const which = words.find((word) => !word.includes('->'));
    for (const link of links.length === 0 ? [undefined] : links) {
      const taken = this.take(link);
      const count = which === undefined || which === 'last' ? taken.length : number(which);
      const chosen = which === 'last' ? taken.slice(-1) : taken.slice(0, count);
      this.network.messages.unshift(...taken.filter((message) => !chosen.includes(message)));
      for (const message of chosen) this.arrive(message);
    }
  }

  private arrive(message: Message): void {
    const gone = this.cut.has(message.from) || this.cut.has(message.to);
    if (gone || this.network.members.get(message.to)?.down !== false) {
      this.lines.push(`lost: ${wordMessage(message)}`);
    } else {
      this.act(() => this.network.deliver(message));
    }
  }

  /** A second copy of the newest message on a link, as a network may make. */
  private repeat(link: string): void {
    const newest = this.network.messages.filter(this.isOn(link)).pop();
    if (newest === undefined) throw new Error(`nothing is under way ${link}`);
    this.network.messages.push(newest);
  }

  private drop(link: string | undefined): void {
    for (const message of this.take(link)) this.lines.push(`lost: ${wordMessage(message)}`);
  }

  private stream(link: string): void {
    const isOn = this.isOn(link);
    const taken = this.network.streams.filter(isOn);
    this.network.streams = this.network.streams.filter((stream) => !isOn(stream));
    for (const stream of taken) this.act(() => this.network.deliverStream(stream));
  }

  private restart(id: number): void {
    this.network.restart(id);
    this.seen.set(member(id), this.network.raft(id).status());
    this.lines.push(wordStatus(this.network.raft(id).status()));
  }

  /** Writes become durable and messages arrive, round by round, until nothing is under way. */
  private settle(): void {
    const { network } = this;
    for (let round = 0; ; round += 1) {
      if (round > 1000) throw new Error('the network does not come to rest');
      this.each([], (id) => network.sync(id));
      const messages = this.take(undefined);
      const { streams } = network;
      network.streams = [];
      for (const message of messages) this.arrive(message);
      for (const stream of streams) this.act(() => network.deliverStream(stream));
      const busy = [...network.members.values()].some((at) => !at.down && at.batches.length > 0);
      if (!busy && network.messages.length === 0 && network.streams.length === 0) return;
    }
  }

  /** Time passes for all, everything arriving between ticks. */
  private pass(ticks: number): void {
    for (let i = 0; i < ticks; i += 1) {
      this.each([], (id) => this.network.tick(id));
      this.settle();
    }
  }

  private named(words: readonly string[]): SimMember[] {
    if (words.length === 0) return [...this.network.members.values()];
    return words.map((word) => this.network.get(number(word)));
  }

  private status(words: readonly string[]): void {
    for (const at of this.named(words)) {
      this.lines.push(at.down ? `${at.id}: down` : wordStatus(at.raft.status()));
    }
  }

  /** The terms of each log, as the paper draws it. */
  private log(words: readonly string[]): void {
    for (const at of this.named(words)) {
      const start = at.disk.snapshot === null ? '' : `(${wordSnapshot(at.disk.snapshot)}) `;
      this.lines.push(`${at.id}: ${start}${at.log.map(({ term }) => term).join(' ')}`);
    }
  }
}
