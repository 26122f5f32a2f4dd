import type { GroupId } from '@synccluster/client/protocol';
import type { SimNetwork } from '../world/network.ts';
import type { SimOperator } from '../world/operator.ts';
import type { SimProcess } from '../world/process.ts';
import type { Random } from '../world/random.ts';
import type { MemberSlot } from '../world/slot.ts';
import { misdirect, rot } from '../world/spoil.ts';
import type { World } from '../world/world.ts';
import { type FaultName, type Plan, WILD_ORDINAL } from './plan.ts';

/** What the nemesis can do to a client of the workload. */
interface ClientVictim {
  readonly host: string;
  readonly process: SimProcess;
}

export interface NemesisOptions {
  readonly world: World;
  readonly random: Random;
  readonly plan: Plan;
  readonly network: SimNetwork;
  readonly slots: readonly MemberSlot[];
  readonly operator: SimOperator;
  readonly clients: readonly ClientVictim[];
  readonly note: (line: string) => void;
}

/** Faults that are struck, not such as are always there. */
type Blow = () => void | Promise<void>;

/** Strikes at random for as long as the attack lasts, within what a cluster must survive; then makes all well again. */
export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #blows: readonly Blow[];
  #over = false;
  /** A volume was lost or spoilt, and is not replaced yet: no second one. */
  #volumeAtStake = false;
  #blowsStruck = 0;

  constructor(options: NemesisOptions) {
    this.#options = options;
    const all: Partial<Record<FaultName, Blow>> = {
      partition: () => this.#partition(),
      oneWay: () => this.#oneWay(),
      bridge: () => this.#bridge(),
      clog: () => this.#clog(),
      kill: () => this.#kill(),
      killAtEffect: () => this.#killAtEffect(),
      power: () => this.#power(),
      blackout: () => this.#blackout(),
      pause: () => this.#pause(),
      slowDisk: () => this.#slowDisk(),
      diskError: () => this.#diskError(),
      fullDisk: () => this.#fullDisk(),
      bitRot: () => this.#spoil(rot),
      misdirectedWrite: () => this.#spoil(misdirect),
      lostVolume: () => this.#loseVolume(),
      wildClock: () => this.#shiftClock(),
      transfer: () => this.#transfer(),
      handover: () => this.#handover(),
      restart: () => this.#victim().restart(),
      forcedRecovery: () => this.#forceRecovery(),
      scale: () => this.#scale(),
      clientPause: () => this.#pauseClient(),
      clientCut: () => this.#cutClient(),
    };
    this.#blows = [...options.plan.faults].map((name) => all[name]).filter((blow) => blow !== undefined);
  }

  get blowsStruck(): number {
    return this.#blowsStruck;
  }

  async attack(untilMs: number): Promise<void> {
    const { world, random, plan } = this.#options;
    while (world.nowMs < untilMs) {
      // Blows come in bursts as well as evenly.
      await world.sleep(Math.min(plan.blowEveryMs * -Math.log(1 - random.unit()), 4 * plan.blowEveryMs));
      if (this.#blows.length === 0 || world.nowMs >= untilMs) continue;
      if (this.#volumeAtStake && this.#isWhole()) this.#volumeAtStake = false;
      this.#blowsStruck += 1;
      void Promise.resolve(random.pick(this.#blows)()).catch((error: unknown) => {
        this.#options.note(`blow failed: ${error instanceof Error ? error.message : String(error)}`);
      });
    }
  }

  /** Everything that is broken is mended, and nothing breaks any more. */
  heal(): void {
    const { network, slots, plan, note, clients } = this.#options;
    this.#over = true;
    note('heals');
    network.heal();
    const faults = plan.messageFaults;
    faults.loss = 0;
    faults.duplication = 0;
    faults.reordering = 0;
    for (const slot of slots) {
      const { disk } = slot;
      disk.failNext.read = 0;
      disk.failNext.write = 0;
      disk.failNext.sync = 0;
      disk.foreignBytes = 0;
      disk.slowness = 1;
      slot.process?.dieAfterEffects(Number.POSITIVE_INFINITY);
      if (slot.wanted) slot.comeBack();
    }
    for (const { process } of clients) process.resume();
  }

  /** Every wanted member is a voter everywhere on a sound volume. */
  #isWhole(): boolean {
    return this.#options.operator.settled && this.#options.slots.every(({ spoilt }) => !spoilt);
  }

  #note(line: string): void {
    this.#options.note(`nemesis: ${line}`);
  }

  /** How long something lasts: mostly a moment, sometimes long. */
  #lastingMs(): number {
    return this.#options.random.logBetween(20, 15_000);
  }

  /** Ends what was begun, unless everything was healed meanwhile. */
  #later(ms: number, end: () => void): void {
    this.#options.world.after(ms, () => {
      if (!this.#over) end();
    });
  }

  #victim(): MemberSlot {
    const wanted = this.#options.slots.filter((slot) => slot.wanted);
    const leading = wanted.filter(({ running }) =>
      [...(running?.member.groups.values() ?? [])].some((group) => group.isLeader),
    );
    const { random } = this.#options;
    return random.pick(leading.length > 0 && random.chance(0.5) ? leading : wanted);
  }

  #hosts(): string[] {
    return this.#options.slots.map(({ host }) => host);
  }

  #cut(pairs: readonly (readonly [string, string])[], ms: number): void {
    const { network } = this.#options;
    for (const [from, to] of pairs) network.link(from, to).block();
    this.#later(ms, () => {
      for (const [from, to] of pairs) network.link(from, to).unblock();
    });
  }

  #partition(): void {
    const { random, clients } = this.#options;
    const hosts = random.shuffled(this.#hosts());
    const cut = 1 + random.below(Math.max(1, hosts.length - 1));
    const [a, b] = [hosts.slice(0, cut), hosts.slice(cut)];
    // Clients on either side: who leads on the wrong one goes on taking writes.
    if (random.chance(0.5)) for (const { host } of clients) (random.chance(0.5) ? a : b).push(host);
    const ms = this.#lastingMs();
    this.#note(`${a.join(' ')} | ${b.join(' ')} for ${Math.round(ms)} ms`);
    this.#cut(
      a.flatMap((x) =>
        b.flatMap((y): [string, string][] => [
          [x, y],
          [y, x],
        ]),
      ),
      ms,
    );
  }

  #oneWay(): void {
    const { random } = this.#options;
    const [from, to] = random.shuffled(this.#hosts());
    if (from === undefined || to === undefined) return;
    const ms = this.#lastingMs();
    this.#note(`nothing from ${from} to ${to} for ${Math.round(ms)} ms`);
    this.#cut([[from, to]], ms);
  }

  #bridge(): void {
    const { random } = this.#options;
    const [, ...rest] = random.shuffled(this.#hosts());
    const half = Math.floor(rest.length / 2);
    const [a, b] = [rest.slice(0, half), rest.slice(half)];
    const ms = this.#lastingMs();
    this.#note(`a bridge between ${a.join(' ')} and ${b.join(' ')} for ${Math.round(ms)} ms`);
    this.#cut(
      a.flatMap((x) =>
        b.flatMap((y): [string, string][] => [
          [x, y],
          [y, x],
        ]),
      ),
      ms,
    );
  }

  #clog(): void {
    const { random, network, clients } = this.#options;
    const [one, other] = random.shuffled(this.#hosts());
    if (one === undefined) return;
    const ends = [one, random.chance(0.3) || other === undefined ? random.pick(clients).host : other];
    const [from, to] = random.shuffled(ends) as [string, string];
    const link = network.link(from, to);
    link.clogMs = random.logBetween(10, 5_000);
    const ms = this.#lastingMs();
    this.#note(`${from} > ${to} takes ${Math.round(link.clogMs)} ms more for ${Math.round(ms)} ms`);
    this.#later(ms, () => {
      link.clogMs = 0;
    });
  }

  #kill(): void {
    const slot = this.#victim();
    if (this.#options.random.chance(0.3)) slot.stayDown(this.#lastingMs());
    slot.kill('killed');
  }

  #killAtEffect(): void {
    const slot = this.#victim();
    const effects = Math.floor(this.#options.random.logBetween(1, 500));
    this.#note(`${slot.host} dies after ${effects} effects`);
    slot.process?.dieAfterEffects(effects);
  }

  #power(): void {
    this.#victim().powerFailure(this.#lastingMs());
  }

  #blackout(): void {
    const { slots, random } = this.#options;
    for (const slot of slots) if (slot.wanted) slot.powerFailure(random.between(10, 3_000));
  }

  #pause(): void {
    const { random } = this.#options;
    const slot = this.#victim();
    const { process } = slot;
    if (process === null) return;
    const ms = this.#lastingMs();
    this.#note(`${slot.host} stands still for ${Math.round(ms)} ms`);
    process.pause();
    // It may lead no more and not hear of it for a while: what it promises then must not count.
    if (random.chance(0.4)) this.#strand(slot.host, ms + random.logBetween(50, 5_000));
    this.#later(ms, () => process.resume());
  }

  /** A member by itself, with some of the clients on its side of the cut. */
  #strand(host: string, ms: number): void {
    const { random, clients } = this.#options;
    const others = this.#hosts().filter((other) => other !== host);
    const along = clients.map((client) => client.host).filter(() => random.chance(0.4));
    this.#note(`${[host, ...along].join(' ')} by themselves for ${Math.round(ms)} ms`);
    this.#cut(
      [host, ...along].flatMap((x) =>
        others.flatMap((y): [string, string][] => [
          [x, y],
          [y, x],
        ]),
      ),
      ms,
    );
  }

  #slowDisk(): void {
    const slot = this.#victim();
    const { disk } = slot;
    disk.slowness = this.#options.random.logBetween(10, 500);
    const ms = this.#lastingMs();
    this.#note(`the disk of ${slot.host} is slow for ${Math.round(ms)} ms`);
    this.#later(ms, () => {
      disk.slowness = 1;
    });
  }

  #diskError(): void {
    const slot = this.#victim();
    const kind = this.#options.random.pick(['sync', 'sync', 'write', 'read'] as const);
    // What cannot be read counts as lost, and one volume at a time may be.
    if (kind === 'read' && !this.#stake(slot)) return;
    this.#note(`a ${kind} of ${slot.host} is to fail`);
    slot.disk.failNext[kind] += 1;
  }

  #fullDisk(): void {
    const { random } = this.#options;
    const slot = this.#victim();
    const { disk } = slot;
    const takes = Math.max(0, disk.freeBytes - Math.floor(random.logBetween(1, 4_000_000)));
    const ms = this.#lastingMs();
    this.#note(`others fill the volume of ${slot.host} for ${Math.round(ms)} ms`);
    disk.foreignBytes += takes;
    this.#later(ms, () => {
      disk.foreignBytes = Math.max(0, disk.foreignBytes - takes);
    });
  }

  /** True: this volume may be harmed, for all others are whole. */
  #stake(slot: MemberSlot): boolean {
    if (this.#volumeAtStake || !this.#isWhole() || this.#options.operator.members < 3) return false;
    this.#volumeAtStake = true;
    slot.spoilt = true;
    this.#options.operator.unsettle();
    return true;
  }

  #spoil(how: typeof rot): void {
    const slot = this.#victim();
    if (!this.#stake(slot)) return;
    const what = how(slot.disk, this.#options.random);
    if (what === null) {
      slot.spoilt = false;
      return;
    }
    this.#note(`${slot.host}: ${what} is spoilt`);
    // Found out when it is read: mostly soon.
    if (this.#options.random.chance(0.8)) slot.kill('killed');
  }

  #loseVolume(): void {
    const slot = this.#victim();
    if (this.#stake(slot)) slot.loseVolume();
  }

  #shiftClock(): void {
    const { slots, random, plan } = this.#options;
    const slot = slots[WILD_ORDINAL];
    // Only a minority's clocks may be wrong, or the cluster's time is wrong too.
    if (slot === undefined || plan.members < 3 || this.#options.operator.members < 3) return;
    const byMs = random.between(-1, 1) * random.logBetween(100, 1e8);
    this.#note(`the wall clock of ${slot.host} jumps by ${Math.round(byMs)} ms`);
    slot.process?.shiftWall(byMs);
  }

  async #transfer(): Promise<void> {
    const { slots, random } = this.#options;
    const slot = this.#victim();
    const { running, process } = slot;
    if (running === null || process === null) return;
    const groups = [...running.member.groups.values()].filter((group) => group.isLeader);
    const targets = slots.filter((other) => other.wanted && other !== slot && other.memberId !== 0);
    if (groups.length === 0 || targets.length === 0) return;
    const group: GroupId = random.pick(groups).id;
    const to = random.pick(targets);
    this.#note(`group ${group} is to go from ${slot.host} to ${to.host}`);
    await process.call(() => running.service.transfer(group, to.memberId));
  }

  async #handover(): Promise<void> {
    const slot = this.#victim();
    const { running, process } = slot;
    if (running === null || process === null) return;
    this.#note(`${slot.host} is to give everything away`);
    await process.call(() => running.service.handover());
  }

  /** Of the lost cluster, fewer volumes than a quorum ever come back: as people must see to. */
  async #forceRecovery(): Promise<void> {
    const { slots, operator, random, world } = this.#options;
    const survivor = this.#victim();
    if (!this.#stake(survivor)) return;
    survivor.spoilt = false;
    const others = random.shuffled(slots.filter((slot) => slot.wanted && slot !== survivor));
    const quorum = Math.floor(operator.members / 2) + 1;
    const returning = random.below(quorum);
    this.#note(`only ${survivor.host} is left; ${returning} others will come back with what they had`);
    for (const [at, slot] of others.entries()) {
      slot.powerFailure(10_000_000);
      if (at >= returning) slot.loseVolume();
    }
    operator.recoverFrom(survivor);
    while (operator.recovering && !this.#over) await world.sleep(100);
    for (const slot of others) {
      await world.sleep(random.between(0, 2_000));
      slot.comeBack();
    }
  }

  #scale(): void {
    const { operator, random } = this.#options;
    if (!operator.settled || this.#volumeAtStake) return;
    // The clock of the only member is the cluster's: with a wrong one, nothing is promised.
    const sizes = this.#options.plan.faults.has('wildClock') ? [3, 5] : [1, 3, 5];
    operator.scale(random.pick(sizes.filter((members) => members !== operator.members)));
  }

  #pauseClient(): void {
    const { clients } = this.#options;
    if (clients.length === 0) return;
    const { host, process } = this.#options.random.pick(clients);
    const ms = this.#lastingMs();
    this.#note(`${host} stands still for ${Math.round(ms)} ms`);
    process.pause();
    this.#later(ms, () => process.resume());
  }

  #cutClient(): void {
    const { random } = this.#options;
    const { clients } = this.#options;
    if (clients.length === 0) return;
    const { host } = random.pick(clients);
    const members = this.#hosts().filter(() => random.chance(0.6));
    const ms = this.#lastingMs();
    this.#note(`${host} is cut off from ${members.join(' ')} for ${Math.round(ms)} ms`);
    const there = members.map((member): [string, string] => [host, member]);
    const back = members.map((member): [string, string] => [member, host]);
    this.#cut(random.pick([there, back, [...there, ...back]]), ms);
  }
}
