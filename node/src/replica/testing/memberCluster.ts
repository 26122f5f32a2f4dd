import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@synccluster/client/clock';
import {
  COORDINATION_GROUP,
  type Command,
  type GroupId,
  type MemberId,
  Op,
  type Ordinal,
  type Query,
  RequestKind,
  RosterTarget,
} from '@synccluster/client/protocol';
import { pack, packCommand } from '@synccluster/client/wire';
import { pino } from 'pino';
import type { RosterChangeView } from '../../http/memberPort.ts';
import { FEATURES } from '../../machines/index.ts';
import { openStorage } from '../../storage/openStorage.ts';
import { internal } from '../duties.ts';
import { Member } from '../member.ts';
import { MemoryNetwork } from './memoryNetwork.ts';
import type { Recorder } from './recorder.ts';

const DEADLINE_MS = 20_000;

/** Waits for a condition. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Members over real storage, linked in memory, one process. A fatal error of any fails the test at `close`. */
export class MemberCluster {
  readonly network = new MemoryNetwork();
  readonly members: Member[] = [];
  readonly fatal: unknown[] = [];
  readonly #dir = mkdtempSync(join(tmpdir(), 'synccluster-members-'));

  volume(ordinal: number): string {
    return join(this.#dir, `${ordinal}`);
  }

  /** Opens the member at this ordinal over its volume, new or not. */
  async start(ordinal: number, features = FEATURES): Promise<Member> {
    const onFatal = (error: unknown): void => {
      this.fatal.push(error);
    };
    const storage = await openStorage(this.volume(ordinal), {
      segmentBytes: 4 * 1024 * 1024,
      reserveBytes: 0,
      onFatal,
    });
    const member = new Member({
      ordinal: ordinal as Ordinal,
      listeners: { client: `member-${ordinal}:7400`, http: `member-${ordinal}:7402` },
      tuning: {
        tickMs: 10,
        electionTicks: 20,
        heartbeatTicks: 4,
        snapshotEntries: 100_000,
        snapshotBytes: 64 * 1024 * 1024,
        keptEntries: 2_000,
      },
      features,
      diskMarginBytes: 0,
      logger: pino({ level: 'silent' }),
      storage,
      clock: systemClock,
      onFatal,
    });
    await member.open();
    this.members[ordinal] = member;
    member.start(this.network.join(member.peers));
    return member;
  }

  /** One cluster of `count` voters with one data group. */
  async found(count: number, features = FEATURES): Promise<void> {
    const first = await this.start(0, features);
    await first.bootstrap('test', 1);
    await until('the founder to be ready', () => first.notReadyReason() === null);
    const changes: RosterChangeView[] = [];
    for (let ordinal = 1; ordinal < count; ordinal++) {
      const { self } = await this.start(ordinal, features);
      changes.push({ memberId: self.id, ordinal, target: RosterTarget.Voter });
    }
    if (changes.length > 0) {
      await first.call(COORDINATION_GROUP, [
        ...internal(Op.RosterChange),
        1,
        changes.map((c) => [c.memberId as MemberId, c.ordinal as Ordinal, c.target] as const),
      ]);
    }
    await this.ready();
  }

  async ready(): Promise<void> {
    await until('all members to be ready', () => this.members.every((m) => m.notReadyReason() === null));
    await until('all members to be linked and to know the leaders', () =>
      this.members.every((m) => [...m.groups.values()].every((g) => g.leader !== 0)),
    );
  }

  leader(group: number): Member {
    return this.members.find((m) => m.groups.get(group as GroupId)?.isLeader === true)!;
  }
  follower(group: number): Member {
    return this.members.find((m) => m.groups.get(group as GroupId)?.isLeader === false)!;
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    rmSync(this.#dir, { recursive: true, force: true });
    if (this.fatal.length > 0) throw this.fatal[0];
  }
}

/** As a client's frame would come in. */
export function write(
  member: Member,
  client: Recorder,
  request: number,
  group: number,
  command: Command,
): void {
  member.router.take(client, pack([RequestKind.Write, request, group, packCommand(command)]));
}
export function read(
  member: Member,
  client: Recorder,
  request: number,
  group: number,
  level: number,
  query: Query,
): void {
  member.router.take(client, pack([RequestKind.Read, request, group, level, 0, query]));
}
