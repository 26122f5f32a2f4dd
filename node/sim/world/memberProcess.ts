import type { Ordinal } from '@synccluster/client/protocol';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import type { Features } from '../../src/machines/index.ts';
import { Member } from '../../src/replica/member.ts';
import { MemberService } from '../../src/replica/memberService.ts';
import { startClientServer } from '../../src/server/clientServer.ts';
import { openStorageIn } from '../../src/storage/openStorage.ts';
import type { Identity } from '../../src/storage/storage.ts';
import { startTcpTransport } from '../../src/transport/tcpTransport.ts';
import { type SimDisk, VOLUME } from './disk.ts';
import type { DurableLog } from './durableLog.ts';
import type { SimNetwork } from './network.ts';
import { MemberObserver, type Show } from './observer.ts';
import type { SimProcess } from './process.ts';
import { type MessageFaults, unreliable } from './unreliableTransport.ts';

/** As the member's own program has it. */
const CLIENT_PORT = 7400;
const PEER_PORT = 7401;

export interface MemberTuning {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly segmentBytes: number;
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  readonly keptEntries: number;
  readonly hashEvery: number;
}

export interface MemberSurroundings {
  readonly ordinal: number;
  readonly process: SimProcess;
  readonly disk: SimDisk;
  readonly network: SimNetwork;
  readonly messageFaults: MessageFaults;
  readonly tuning: MemberTuning;
  /** Of the version that runs. */
  readonly features: Features;
  readonly show: Show;
  readonly durableOf: (memberId: number, group: number) => number;
  /** The volume of this member, as soon as it is known which. */
  readonly onVolume: (memberId: number, log: DurableLog) => void;
  /** The volume is of a cluster that was given up: what its member does concerns nobody, and it is not shown. */
  readonly isForeign: (identity: Identity) => boolean;
  /** What the volume says of the member, once it was shown what else is on it. */
  readonly onRestored: (identity: Identity) => void;
  /** It found itself or its disk wrong. */
  readonly onFatal: (error: unknown) => void;
}

export function hostOf(ordinal: number): string {
  return `member-${ordinal}`;
}

export function clientAddress(ordinal: number): string {
  return `${hostOf(ordinal)}:${CLIENT_PORT}`;
}

export interface RunningMember {
  readonly member: Member;
  readonly service: MemberService;
  readonly observer: MemberObserver;
}

const logger = pino({ level: 'silent' });

/** What the member's program does when it starts, in a simulated process: the same parts, put together as there. */
export async function runMember(surroundings: MemberSurroundings): Promise<RunningMember> {
  const { ordinal, process, disk, network, tuning, features, show } = surroundings;
  const host = hostOf(ordinal);
  const onFatal = (error: unknown): void => {
    if (process.alive) surroundings.onFatal(error);
  };
  const storage = await openStorageIn(
    {
      ops: disk.mount(process),
      randomUpTo: (max) => 1 + process.chance.below(max),
      nowMs: () => process.wallMs(),
      nowNs: () => Math.floor(process.monotonicMs() * 1e6),
      defer: (work) => process.defer(work),
      pause: () => new Promise((resolve) => process.after(100, resolve)),
    },
    VOLUME,
    { segmentBytes: tuning.segmentBytes, reserveBytes: tuning.segmentBytes, onFatal, logger },
  );
  const { memberId } = storage.identity;
  surroundings.onVolume(memberId, disk.log);
  const observer = new MemberObserver({
    memberId,
    show,
    disk: disk.log,
    durableOf: surroundings.durableOf,
    hashEvery: tuning.hashEvery,
  });
  process.whenDead.add(() => {
    observer.silent = true;
  });
  if (surroundings.isForeign(storage.identity)) {
    observer.silent = true;
    disk.log.detach();
  } else {
    show({ kind: 'started', member: memberId, ordinal });
    show({ kind: 'runsAs', member: memberId, level: features.level });
  }
  if (storage.recovered.damage === null && !observer.silent) {
    observer.restored(storage.recovered.groups);
    surroundings.onRestored(storage.identity);
  }
  const watched = Object.create(storage, {
    wal: { value: observer.watchLog(storage.wal) },
  }) as typeof storage;
  const member = new Member({
    ordinal: ordinal as Ordinal,
    listeners: { client: clientAddress(ordinal), http: `${host}:7402` },
    tuning,
    features,
    diskMarginBytes: 2 * tuning.segmentBytes,
    logger,
    storage: watched,
    clock: process,
    acknowledging: (group, index) => observer.acknowledging(group, index),
    onFatal,
  });
  await member.open();
  const service = new MemberService({
    member,
    registry: new Registry(),
    version: '0.0.0',
    exit: () => process.die('exit'),
  });
  observer.watch(member);
  const transport = await startTcpTransport(
    {
      host,
      port: PEER_PORT,
      address: (peer) => ({ host: hostOf(peer.ordinal), port: PEER_PORT }),
      resolve: async (name) => name,
      logger,
      network: network.of(host, process),
      clock: process,
    },
    member.peers,
  );
  member.start(unreliable(transport, process, surroundings.messageFaults));
  await startClientServer({ host, port: CLIENT_PORT, member, logger, network: network.of(host, process) });
  process.onEvent = (source) => observer.look(source === 'deferred');
  return { member, service, observer };
}
