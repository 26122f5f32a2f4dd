import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../rig/cluster.ts';
import type { SmallVolume } from '../rig/smallVolume.ts';
import { until } from '../rig/waiting.ts';
import { type Counts, noCounts } from './counts.ts';
import { type Fault, isPartition, type NetworkFault, type OtherFault, type ProcessFault } from './faults.ts';
import { beginNetworkFault, healNetwork, holdNetworkFault } from './network.ts';
import type { Lane, PlannedFault } from './plan.ts';

/** A change of membership has to get through all other faults. */
const MEMBERSHIP_TIMEOUT_MS = 60_000;
const REFILL_MS = 100;

export interface NemesisOptions {
  readonly cluster: Cluster;
  /** The member whose volume can be filled; null: none. */
  readonly small: { readonly ordinal: number; readonly volume: SmallVolume } | null;
  /** Since the start of the run. */
  readonly nowMs: () => number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Something changed in what the cluster can be asked for. */
  readonly onChange: () => void;
}

/** Does to a cluster what a plan says. */
export class Nemesis {
  readonly counts: Counts = noCounts();
  readonly #options: NemesisOptions;
  readonly #cluster: Cluster;

  constructor(options: NemesisOptions) {
    this.#options = options;
    this.#cluster = options.cluster;
  }

  /** Resolves when all is done or `signal` is aborted; whatever holds then holds on until `heal`. */
  async run(planned: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    const lanes: readonly Lane[] = ['processes', 'network', 'other'];
    await Promise.all(
      lanes.map((lane) =>
        this.#lane(
          planned.filter((p) => p.lane === lane),
          signal,
        ),
      ),
    );
  }

  async #lane(planned: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    for (const next of planned) {
      try {
        await sleep(Math.max(0, next.atMs - this.#options.nowMs()), undefined, { signal });
        await this.#execute(next, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log('failed', { fault: next.fault, error: String(error) });
      }
    }
  }

  /** Everything works again, except for clocks. */
  heal(): void {
    healNetwork(this.#cluster);
    this.#options.small?.volume.free();
    for (const ordinal of this.#cluster.active) {
      this.#cluster.member(ordinal).resume();
      this.#cluster.start(ordinal);
    }
    this.#options.log('healed', {});
    this.#options.onChange();
  }

  async #execute({ fault, holdMs }: PlannedFault, signal: AbortSignal): Promise<void> {
    const ranked = await this.#ranked(fault);
    this.#options.log('begin', { fault, members: ranked, holdMs });
    switch (fault.kind) {
      case 'kill':
      case 'killTwice':
      case 'killAll':
      case 'pause':
      case 'pauseAndKillOthers':
      case 'terminate':
      case 'wildClock':
        await this.#processes(fault, ranked, holdMs, signal);
        break;
      case 'fillDisk':
      case 'scale':
      case 'loseVolume':
      case 'transfer':
        await this.#other(fault, ranked, holdMs, signal);
        break;
      default:
        await this.#network(fault, ranked, holdMs, signal);
    }
    this.#options.log('end', { fault: fault.kind, members: ranked });
    this.#options.onChange();
  }

  /** The ordinals that a fault's `whom` means now. */
  async #ranked(fault: Fault): Promise<readonly number[]> {
    const { active } = this.#cluster;
    if (!('whom' in fault)) return active;
    const leader = await this.#cluster.leader(fault.whom.group);
    const order = leader === null ? active : [leader, ...active.filter((ordinal) => ordinal !== leader)];
    return fault.whom.ranks.map((rank) => order[rank % order.length] as number);
  }

  async #kill(ordinals: readonly number[]): Promise<void> {
    const killed = await Promise.all(ordinals.map((ordinal) => this.#cluster.member(ordinal).kill()));
    this.counts.kills += killed.filter(Boolean).length;
    this.#options.onChange();
  }
  async #start(ordinals: readonly number[], gapMs: number, signal: AbortSignal): Promise<void> {
    for (const [at, ordinal] of ordinals.entries()) {
      if (at > 0 && gapMs > 0) await sleep(gapMs, undefined, { signal });
      this.#cluster.start(ordinal);
    }
    this.#options.onChange();
  }

  async #processes(
    fault: ProcessFault,
    ranked: readonly number[],
    holdMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const hold = (ms = holdMs): Promise<void> => sleep(ms, undefined, { signal });
    const members = ranked.map((ordinal) => this.#cluster.member(ordinal));
    const pause = (): void => {
      for (const member of members) if (member.pause()) this.counts.pauses += 1;
      this.#options.onChange();
    };
    const resume = (): void => {
      for (const member of members) member.resume();
      this.#options.onChange();
    };
    switch (fault.kind) {
      case 'kill':
      case 'killAll':
        await this.#kill(ranked);
        await hold();
        await this.#start(ranked, fault.gapMs, signal);
        return;
      case 'killTwice':
        await this.#kill(ranked);
        await this.#start(ranked, 0, signal);
        await hold(fault.againAfterMs);
        await this.#kill(ranked);
        await hold();
        await this.#start(ranked, 0, signal);
        return;
      case 'pause':
        pause();
        await hold();
        resume();
        return;
      case 'pauseAndKillOthers': {
        pause();
        await hold(holdMs / 2);
        const others = this.#cluster.active.filter((ordinal) => !ranked.includes(ordinal));
        await this.#kill(others);
        await this.#start(others, 0, signal);
        await hold(holdMs / 2);
        resume();
        return;
      }
      case 'terminate':
        await Promise.all(
          members.map(async (member) => {
            if (await member.terminate()) this.counts.terminations += 1;
          }),
        );
        this.#options.onChange();
        await hold();
        await this.#start(ranked, 0, signal);
        return;
      case 'wildClock':
        await this.#wildClock(ranked, fault.skewMs, fault.othersSkewMs, hold, signal);
        return;
    }
  }

  /** One wild clock must move nothing; of two, no median helps: who had one before is back in time first. */
  async #wildClock(
    ranked: readonly number[],
    skewMs: number,
    othersSkewMs: number,
    hold: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const skews = this.#cluster.clockSkewsMs;
    const wild = ranked[0] as number;
    const restarted: number[] = [];
    for (const [ordinal, before] of skews.entries()) {
      const isWild = Math.abs(before) > 1_000;
      skews[ordinal] = ordinal % 2 === 0 ? othersSkewMs : -othersSkewMs;
      if (isWild && ordinal !== wild) restarted.push(ordinal);
    }
    // Until its process is gone, a clock is wild whatever is planned for it.
    await this.#kill(restarted);
    skews[wild] = skewMs;
    await this.#kill([wild]);
    await hold();
    await this.#start([...restarted, wild], 0, signal);
    this.counts.wildClocks += 1;
  }

  async #network(
    fault: NetworkFault,
    ranked: readonly number[],
    holdMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    beginNetworkFault(this.#cluster, fault, ranked);
    this.#options.onChange();
    if (isPartition(fault)) this.counts.partitions += 1;
    else if (fault.kind === 'slow') this.counts.slowLinks += 1;
    else this.counts.clientFaults += 1;
    await holdNetworkFault(this.#cluster, fault, ranked, holdMs, signal);
    healNetwork(this.#cluster);
  }

  async #other(
    fault: OtherFault,
    ranked: readonly number[],
    holdMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const wait = { timeoutMs: MEMBERSHIP_TIMEOUT_MS, signal };
    const cluster = this.#cluster;
    switch (fault.kind) {
      case 'fillDisk':
        await this.#fillDisk(holdMs, fault.killAfterMs, signal);
        return;
      case 'transfer': {
        await until(`a transfer of group ${fault.group}`, () => this.#transfer(fault.group), wait);
        this.counts.transfers += 1;
        return;
      }
      case 'scale':
        await this.scale(fault.members, wait);
        this.counts.scalings += 1;
        return;
      case 'loseVolume': {
        const ordinal = ranked[0] as number;
        const member = cluster.member(ordinal);
        const id = await this.#idOf(ordinal, wait);
        do await this.#kill([ordinal]);
        while (member.isRunning);
        cluster.wipe(ordinal);
        cluster.start(ordinal);
        this.counts.volumesLost += 1;
        await cluster.dismiss(id, ordinal, wait);
        await cluster.admit(ordinal, wait);
        return;
      }
    }
  }

  /** Once more, if the first attempt came to nothing, or halfway. */
  async scale(members: number, wait: { timeoutMs: number; signal: AbortSignal }): Promise<void> {
    const cluster = this.#cluster;
    for (let ordinal = 0; ordinal < members; ordinal++) {
      const isVoter = async (): Promise<boolean> =>
        cluster.active.includes(ordinal) &&
        (await cluster.member(ordinal).admin.status()).groups.every((g) => g.membership === 'voter');
      if (!(await isVoter().catch(() => false))) await cluster.admit(ordinal, wait);
      this.#options.onChange();
    }
    for (const ordinal of cluster.active.filter((active) => active >= members)) {
      await cluster.dismiss(await this.#idOf(ordinal, wait), ordinal, wait);
      await cluster.retire(ordinal);
      this.#options.onChange();
    }
  }

  async #transfer(group: number): Promise<boolean> {
    const cluster = this.#cluster;
    const leader = await cluster.leader(group);
    const to = cluster.active.find((ordinal) => ordinal !== leader && cluster.member(ordinal).isServing);
    if (leader === null || to === undefined) return false;
    const { memberId } = await cluster.member(to).admin.identity();
    return (await cluster.member(leader).admin.transfer(group, memberId)).accepted;
  }

  /** As the roster has it, so that one that is down is known too. */
  #idOf(ordinal: number, wait: { timeoutMs: number; signal: AbortSignal }): Promise<number> {
    return until(
      `somebody who knows who has ordinal ${ordinal}`,
      async () => {
        for (const [, { roster }] of await this.#cluster.statuses()) {
          const entry = roster.members.find((m) => m.ordinal === ordinal && m.target !== 'removed');
          if (entry !== undefined) return entry.memberId;
        }
        return null;
      },
      wait,
    );
  }

  async #fillDisk(holdMs: number, killAfterMs: number, signal: AbortSignal): Promise<void> {
    const { small, nowMs } = this.#options;
    if (small === null) return;
    const { ordinal, volume } = small;
    const endMs = nowMs() + holdMs;
    let killAtMs = nowMs() + killAfterMs;
    let fullMs = 0;
    try {
      while (nowMs() < endMs) {
        volume.fill();
        // What a member gives up, its reserve and spare segments, is taken from it as well.
        await sleep(REFILL_MS, undefined, { signal });
        if (volume.freeBytes === 0) fullMs += REFILL_MS;
        if (nowMs() < killAtMs) continue;
        killAtMs = Number.POSITIVE_INFINITY;
        await this.#kill([ordinal]);
        volume.fill();
        this.#cluster.start(ordinal);
        this.counts.startsOnFullDisk += 1;
        this.#options.onChange();
      }
    } finally {
      volume.free();
    }
    this.#options.log('disk freed', { ordinal, fullMs });
    if (fullMs > holdMs / 4) this.counts.diskFullPeriods += 1;
  }
}
