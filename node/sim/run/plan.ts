import type { DiskPlan } from '../world/disk.ts';
import type { LinkPlan } from '../world/link.ts';
import type { MemberTuning } from '../world/memberProcess.ts';
import type { ClockPlan } from '../world/process.ts';
import { Random } from '../world/random.ts';
import type { MessageFaults } from '../world/unreliableTransport.ts';

/** What can go wrong, by name. Each seed has some of them. */
export const FAULTS = {
  loss: 'messages of consensus are lost',
  duplication: 'messages of consensus come twice',
  reordering: 'messages of consensus overtake each other',
  partition: 'the members fall into parts that do not reach each other',
  oneWay: 'one direction between two machines is dead',
  bridge: 'two parts reach each other over one member only',
  clog: 'a link takes seconds',
  kill: 'a process is killed',
  killAtEffect: 'a process is killed between any two of its effects',
  power: 'a machine loses power, and what it had not synced',
  blackout: 'all machines lose power at once',
  pause: 'a process stands still',
  slowDisk: 'syncs take hundreds of times as long',
  diskError:
    'reads, writes or syncs fail; what a failed sync left out looks written until the next power failure',
  fullDisk: 'others fill the volume',
  bitRot: 'bits on the medium change',
  misdirectedWrite: 'a write never got to its place, or another landed on it',
  lostVolume: 'a volume is lost and its member comes back empty',
  wildClock: 'the wall clocks of a minority are wrong, jump and step back',
  transfer: 'leaderships are handed over',
  handover: 'a member gives all its leaderships away',
  restart: 'a member is restarted in order',
  versions: 'members are updated one after the other, and some set back',
  forcedRecovery: 'most volumes are lost, and the cluster goes on from one survivor',
  scale: 'the cluster grows and shrinks',
  clientPause: 'clients stand still',
  clientCut: 'clients are cut off',
  clientKill: 'clients die without closing anything, and others take their places',
  reset: 'connections are reset in the middle of what goes over them',
  cutAtTransfer: 'a leader is deposed and does not hear of it, nor do clients on its side',
  leadershipBack: 'the leadership of locks goes away and comes back, later than a lease lasts',
  lateKeepalives: 'keepalives arrive while the expiry of their sessions is on its way to slow disks',
  lateAnswers: 'answers take most of a lease, then clients are cut off',
  cutAtChange: 'a leader is cut off with a change of the configuration that only it has',
} as const;
export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** How large what may be wrong with true clocks is: the client library allows for a twentieth of a lease. */
const RATE_ERROR = 0.01;
const MIB = 1024 * 1024;

/** A machine whose wall clock is wrong, whatever runs on it and however often. */
interface WildClock {
  readonly ordinal: number;
  /** What it is set by. */
  readonly byMs: number;
  /** Else from the attack on: a founder's clock is the cluster's time for as long as it is alone. */
  readonly fromStart: boolean;
}

export interface Plan {
  readonly seed: number;
  readonly faults: ReadonlySet<FaultName>;
  /** Positions; those above `members` are empty until the cluster grows. */
  readonly slots: number;
  readonly members: number;
  readonly shards: number;
  readonly clients: number;
  readonly attackMs: number;
  /** Between two blows, on the average. */
  readonly blowEveryMs: number;
  readonly link: LinkPlan;
  readonly messageFaults: MessageFaults;
  readonly tuning: MemberTuning;
  readonly disk: DiskPlan;
  readonly memberClocks: readonly ClockPlan[];
  /** Always a minority's: one of three, two of five. */
  readonly wildClocks: readonly WildClock[];
  readonly clientClocks: readonly ClockPlan[];
  readonly sessionTtlMs: number;
  readonly requestTimeoutMs: number;
  /** Longest pause between two actions of one of a client's actors. */
  readonly pauseMs: number;
  /** Longest time for which a lock is held. */
  readonly holdMs: number;
  /** Between two looks at a lock that is held. */
  readonly markMs: number;
  /** How often a sender sends several messages without waiting for the answers. */
  readonly burstShare: number;
  /** Longest pause between two of those. */
  readonly burstGapMs: number;
}

/** What may be chosen beforehand instead of drawn. */
export type Choices = Partial<
  Pick<
    Plan,
    | 'members'
    | 'shards'
    | 'clients'
    | 'attackMs'
    | 'blowEveryMs'
    | 'link'
    | 'sessionTtlMs'
    | 'pauseMs'
    | 'holdMs'
    | 'markMs'
    | 'burstShare'
    | 'burstGapMs'
  >
> & { readonly tuning?: Partial<MemberTuning> };

/** Where leases are raced against, locks are held for as long as that takes, and senders do not wait either. */
const LEASE_RACES: readonly FaultName[] = [
  'cutAtTransfer',
  'leadershipBack',
  'lateKeepalives',
  'lateAnswers',
];

/** Everything that is fixed for the whole of a seed's run. `only`: the faults to have, instead of drawn ones. */
export function drawPlan(seed: number, only: ReadonlySet<FaultName> | null, choices: Choices = {}): Plan {
  const random = new Random(seed, 'plan');
  // A few faults at full strength find other bugs than all of them at once.
  const share = random.pick([0.15, 0.3, 0.5, 0.8]);
  // Each fault by a sequence of its own: a new kind of fault leaves the seeds that do not have it as they were.
  const drawn = new Set(FAULT_NAMES.filter((name) => new Random(seed, `fault ${name}`).chance(share)));
  const faults = only ?? drawn;
  const drawnMembers = random.pick([1, 3, 3, 3, 3, 5, 5]);
  const members = choices.members ?? drawnMembers;
  const scales = faults.has('scale') || faults.has('cutAtChange');
  const slots = scales ? 5 : members;
  const drawnClients = 2 + random.below(3);
  const clients = choices.clients ?? drawnClients;
  const holds = new Random(seed, 'holds');
  const races = LEASE_RACES.some((race) => faults.has(race));
  const plan: Plan = {
    seed,
    faults,
    slots,
    members,
    shards: random.pick([1, 1, 2, 2, 3]),
    clients,
    attackMs: random.logBetween(8_000, 40_000),
    blowEveryMs: random.logBetween(300, 5_000),
    link: random.pick<LinkPlan>([
      { minMs: 0.05, maxMs: 0.3, retransmitChance: 0, splitChance: 0.01 },
      { minMs: 0.2, maxMs: 3, retransmitChance: 0.001, splitChance: 0.02 },
      { minMs: 1, maxMs: 30, retransmitChance: 0.01, splitChance: 0.1 },
      { minMs: 20, maxMs: 60, retransmitChance: 0.001, splitChance: 0.02 },
    ]),
    messageFaults: {
      loss: faults.has('loss') ? random.logBetween(0.005, 0.3) : 0,
      duplication: faults.has('duplication') ? random.logBetween(0.005, 0.5) : 0,
      reordering: faults.has('reordering') ? random.logBetween(0.005, 0.5) : 0,
      reorderedByMs: random.logBetween(1, 2_000),
      struck: { loss: 0, duplication: 0, reordering: 0 },
    },
    tuning: {
      ...random.pick([
        { tickMs: 25, electionTicks: 20, heartbeatTicks: 3 },
        { tickMs: 50, electionTicks: 8, heartbeatTicks: 2 },
        { tickMs: 50, electionTicks: 10, heartbeatTicks: 3 },
        { tickMs: 50, electionTicks: 30, heartbeatTicks: 4 },
      ]),
      segmentBytes: random.pick([64 * 1024, 256 * 1024, MIB]),
      snapshotEntries: random.pick([20, 100, 400, 100_000]),
      snapshotBytes: random.pick([16 * 1024, 256 * 1024, 16 * MIB]),
      keptEntries: random.pick([0, 5, 50, 2_000]),
      hashEvery: 25,
    },
    disk: {
      capacityBytes: faults.has('fullDisk') ? 16 * MIB : 1024 * MIB,
      ioMs: random.pick([0, 0.02, 0.2]),
      ...random.pick([
        { syncMinMs: 0.1, syncMaxMs: 1 },
        { syncMinMs: 0.3, syncMaxMs: 10 },
        { syncMinMs: 2, syncMaxMs: 40 },
      ]),
    },
    memberClocks: Array.from({ length: slots }, () => drawClock(random)),
    wildClocks: faults.has('wildClock') ? drawWildClocks(seed, members, slots, scales) : [],
    clientClocks: Array.from({ length: clients }, () => drawClock(random)),
    sessionTtlMs: random.pick([1_000, 2_000, 5_000]),
    requestTimeoutMs: random.pick([1_000, 3_000, 10_000]),
    pauseMs: random.pick([100, 200, 400, 1_000]),
    holdMs: races ? holds.pick([800, 3_000, 8_000]) : 800,
    markMs: 100,
    burstShare: 0.2,
    burstGapMs: races ? holds.pick([0, 20, 100]) : 0,
  };
  return { ...plan, ...choices, tuning: { ...plan.tuning, ...choices.tuning } };
}

/** A minority both of the members there are and of those there may be: among the first three never more than one. */
function drawWildClocks(seed: number, members: number, slots: number, scales: boolean): WildClock[] {
  if (members < 3) return [];
  const random = new Random(seed, 'wild clocks');
  const ordinals =
    members === 5 && !scales
      ? random.shuffled([0, 1, 2, 3, 4]).slice(0, 2)
      : [random.below(3), ...(slots === 5 ? [3 + random.below(2)] : [])];
  const early = ordinals.find((ordinal) => ordinal > 0);
  return ordinals.map((ordinal) => ({
    ordinal,
    byMs: random.between(-1, 1) * random.logBetween(1_000, 1e9),
    fromStart: ordinal === early,
  }));
}

function drawClock(random: Random): ClockPlan {
  return {
    rate: 1 + random.between(-RATE_ERROR, RATE_ERROR),
    wallOffsetMs: random.between(-200, 200),
    turnMs: random.pick([0, 0.2, 0.5, 1]),
  };
}

export function describePlan(plan: Plan): string {
  const { faults, memberClocks: _, clientClocks: __, ...rest } = plan;
  const { struck: ___, ...messageFaults } = plan.messageFaults;
  return JSON.stringify({ ...rest, messageFaults, faults: [...faults] });
}
