import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Addresses, HOUSES, PORTS, peerName } from './addresses.ts';
import type { RosterTarget, Status } from './adminClient.ts';
import { MemberProcess, type ProcessEnd, type Program } from './memberProcess.ts';
import { hasQuorum } from './quorum.ts';
import { TcpProxy } from './tcpProxy.ts';
import { until } from './waiting.ts';

/** Members 0…2 are founded together, 3 and 4 come and go. */
const ORDINALS_MAX = 5;
const SHARDS = 3;

/**
 * Small, so that minutes of little load bring what takes days otherwise: segments full and recycled, snapshots taken
 * and sent to whoever fell behind.
 */
const FLAGS = ['--snapshot-entries', '400', '--snapshot-bytes', '262144', '--segment-bytes', '1048576'];

export interface ClusterOptions {
  readonly addresses: Addresses;
  /** For hosts files and logs, and volumes unless told otherwise. */
  readonly dir: string;
  /** Volumes elsewhere, by ordinal. */
  readonly volumes: ReadonlyMap<number, string>;
  readonly program: Program;
  /** 0 ≤ x < 1, for the jitter of slow links. */
  readonly chance: () => number;
  readonly onServing: () => void;
  readonly onUnasked: (ordinal: number, end: ProcessEnd) => void;
}

/** Member processes whose every link, to each other and to clients, leads through a proxy. */
export class Cluster {
  readonly members: readonly MemberProcess[];
  /** How wrong each member's wall clock is from its next start on. */
  readonly clockSkewsMs: number[] = Array.from({ length: ORDINALS_MAX }, () => 0);
  readonly #options: ClusterOptions;
  readonly #links = new Map<string, TcpProxy>();
  /** By house, then ordinal. */
  readonly #doors: TcpProxy[][] = Array.from({ length: HOUSES }, () => []);
  /** Ordinals that belong to the cluster, rising. */
  #active: readonly number[] = [];

  private constructor(options: ClusterOptions) {
    this.#options = options;
    const { dir, volumes, addresses, program, onServing, onUnasked } = options;
    this.members = Array.from({ length: ORDINALS_MAX }, (_, ordinal) => {
      const files = {
        volume: volumes.get(ordinal) ?? join(dir, `volume-${ordinal}`),
        hostsFile: join(dir, `hosts-${ordinal}`),
        log: join(dir, `member-${ordinal}.log`),
      };
      const hosts = Array.from({ length: ORDINALS_MAX }, (_, peer) =>
        peer === ordinal ? '' : `${addresses.link(ordinal, peer)} ${peerName(peer)}\n`,
      );
      writeFileSync(files.hostsFile, hosts.join(''));
      return new MemberProcess({ ordinal, addresses, files, program, flags: FLAGS, onServing, onUnasked });
    });
  }

  /** Listens on all addresses, starts nobody yet. */
  static async create(options: ClusterOptions): Promise<Cluster> {
    mkdirSync(options.dir, { recursive: true });
    const cluster = new Cluster(options);
    try {
      await cluster.#listen();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  async #listen(): Promise<void> {
    const { addresses, chance } = this.#options;
    for (let to = 0; to < ORDINALS_MAX; to++) {
      const host = addresses.member(to);
      for (const [house, doors] of this.#doors.entries()) {
        const at = { host: addresses.door(to, house), port: PORTS.client };
        doors.push(await TcpProxy.listen(at, { host, port: PORTS.client }, chance));
      }
      for (let from = 0; from < ORDINALS_MAX; from++) {
        if (from === to) continue;
        const at = { host: addresses.link(from, to), port: PORTS.peer };
        this.#links.set(`${from}>${to}`, await TcpProxy.listen(at, { host, port: PORTS.peer }, chance));
      }
    }
  }

  get active(): readonly number[] {
    return this.#active;
  }

  /** What member `from` dials to reach member `to`. */
  link(from: number, to: number): TcpProxy {
    const link = this.#links.get(`${from}>${to}`);
    if (link === undefined) throw new RangeError(`there is no link ${from} > ${to}`);
    return link;
  }
  /** What clients dial to reach the member. */
  door(ordinal: number, house: number): TcpProxy {
    const door = this.#doors[house]?.[ordinal];
    if (door === undefined) throw new RangeError(`there is no door to member ${ordinal} in house ${house}`);
    return door;
  }
  get links(): Iterable<TcpProxy> {
    return this.#links.values();
  }
  get doors(): readonly TcpProxy[] {
    return this.#doors.flat();
  }

  member(ordinal: number): MemberProcess {
    const member = this.members[ordinal];
    if (member === undefined) throw new RangeError(`there is no member ${ordinal}`);
    return member;
  }
  /** Nothing happens to one that runs, or has left the cluster meanwhile. */
  start(ordinal: number): void {
    if (this.#active.includes(ordinal)) this.member(ordinal).start(this.clockSkewsMs[ordinal] ?? 0);
  }

  /** Whether a majority is up and reaches each other: then there is no excuse. */
  get hasQuorum(): boolean {
    const passes = (from: number, to: number): boolean => {
      const { kind } = this.link(from, to).traffic;
      return kind === 'pass' || kind === 'delay';
    };
    return hasQuorum(this.#active, (ordinal) => this.member(ordinal).isServing, passes);
  }

  endpoint(ordinal: number, house = 0): string {
    return `${this.#options.addresses.door(ordinal, house)}:${PORTS.client}`;
  }
  /** What a client in this house has to dial when it was told this address. */
  doorIn(house: number, address: string): string {
    return this.#options.addresses.doorIn(house, address);
  }

  /** Status of every active member that answers at once. */
  async statuses(): Promise<Map<number, Status>> {
    const found = new Map<number, Status>();
    await Promise.all(
      this.#active.map(async (ordinal) => {
        const member = this.member(ordinal);
        if (!member.isRunning || member.isPaused) return;
        const status = await member.admin.status(1_000).catch(() => null);
        if (status !== null) found.set(ordinal, status);
      }),
    );
    return found;
  }

  /** Ordinal of the group's leader, by the highest term that anybody claims; null: nobody does. */
  async leader(group: number): Promise<number | null> {
    let best: { readonly ordinal: number; readonly term: number } | null = null;
    for (const [ordinal, status] of await this.statuses()) {
      const view = status.groups.find((g) => g.group === group);
      if (view?.role === 'leader' && view.term > (best?.term ?? -1)) best = { ordinal, term: view.term };
    }
    return best?.ordinal ?? null;
  }

  /** Starts members 0 to `count` − 1 and makes one cluster of them, as the operator does. */
  async found(count: number, clusterId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const wait = { timeoutMs, signal };
    this.#active = Array.from({ length: count }, (_, ordinal) => ordinal);
    for (const ordinal of this.#active) this.start(ordinal);
    const { admin } = this.member(0);
    await until('identity of member 0', () => admin.identity(), wait);
    await admin.bootstrap(clusterId, SHARDS);
    await until('the founder to be ready', async () => (await admin.status()).ready, wait);
    for (let ordinal = 1; ordinal < count; ordinal++) await this.admit(ordinal, wait);
  }

  /** Brings the member with an empty volume at this ordinal in: learner first, then voter. */
  async admit(
    ordinal: number,
    wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    if (!this.#active.includes(ordinal)) this.#active = [...this.#active, ordinal].sort((a, b) => a - b);
    this.start(ordinal);
    const { admin } = this.member(ordinal);
    const { memberId } = await until(`identity of member ${ordinal}`, () => admin.identity(), wait);
    await this.#target(memberId, ordinal, 'learner', wait);
    await until(
      `member ${ordinal} to be a learner`,
      async () => (await admin.status()).groups.every((g) => g.membership !== 'none'),
      wait,
    );
    await this.#target(memberId, ordinal, 'voter', wait);
    await until(
      `member ${ordinal} to vote`,
      async () => (await admin.status()).groups.every((g) => g.membership === 'voter'),
      wait,
    );
  }

  /** Out of the roster and of every group. */
  async dismiss(
    memberId: number,
    ordinal: number,
    wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    await this.#target(memberId, ordinal, 'removed', wait);
    await until(
      `member ${ordinal} to be out of every group`,
      async () => {
        const views = await this.statuses();
        // As those see it who lead: others may lag behind.
        for (let group = 0; group <= SHARDS; group++) {
          const leader = [...views.values()]
            .flatMap((s) => (s.memberId === memberId ? [] : s.groups))
            .find((g) => g.group === group && g.role === 'leader');
          if (leader === undefined) return false;
          const { voters, learners } = leader.configuration;
          if ([...voters, ...learners].some(({ id }) => id === memberId)) return false;
        }
        return true;
      },
      wait,
    );
  }

  /** Ends the process of a member that was dismissed, for its ordinal is given up. */
  async retire(ordinal: number): Promise<void> {
    this.#active = this.#active.filter((active) => active !== ordinal);
    await this.member(ordinal).kill();
    this.wipe(ordinal);
  }

  /** The volume is lost. False: there was none. */
  wipe(ordinal: number): boolean {
    if (this.member(ordinal).isRunning) throw new Error(`member ${ordinal} still uses its volume`);
    const { volume } = this.member(ordinal).files;
    const wasThere = existsSync(volume) && readdirSync(volume).length > 0;
    rmSync(volume, { recursive: true, force: true });
    return wasThere;
  }

  /** Compare-and-set by any member that answers, until it is so. */
  async #target(
    memberId: number,
    ordinal: number,
    target: RosterTarget,
    wait: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    await until(
      `roster: member ${ordinal} ${target}`,
      async () => {
        let refusal = 'nobody answers';
        for (const [via, { roster }] of await this.statuses()) {
          const current = roster.tombstones.includes(memberId)
            ? 'removed'
            : roster.members.find((m) => m.memberId === memberId)?.target;
          if (current === target) return true;
          const change = [{ memberId, ordinal, target }];
          try {
            await this.member(via).admin.roster(roster.version, change);
            return true;
          } catch (error) {
            refusal = String(error);
          }
        }
        throw new Error(refusal);
      },
      wait,
    );
  }

  /** Every active member votes in every group, is ready and knows each group's leader. */
  async settled(wait: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void> {
    for (const ordinal of this.#active) {
      await until(
        `member ${ordinal} to be ready`,
        async () => {
          const status = await this.member(ordinal).admin.status();
          if (!status.ready) throw new Error(status.notReadyReason ?? 'not ready');
          return status.groups.length === SHARDS + 1 && status.groups.every((g) => g.leader !== 0);
        },
        wait,
      );
    }
  }

  /** Ends everything at once; may be called twice. */
  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    await Promise.all([...this.#links.values(), ...this.doors].map((proxy) => proxy.close()));
    this.#links.clear();
    for (const doors of this.#doors) doors.length = 0;
  }
}
