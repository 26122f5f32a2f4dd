import { writeFileSync } from 'node:fs';
import { FEATURES } from '../../src/machines/index.ts';
import type { Group } from '../../src/replica/group.ts';
import { checkServed } from '../checkers/featureLevels.ts';
import {
  checkHistory,
  describe,
  type Healing,
  ObservationChecker,
  type Recovery,
  type Violation,
} from '../checkers/index.ts';
import { encodeLines } from '../history/jsonLines.ts';
import type { Observation, QueueConfigured, SessionsExpired } from '../history/observations.ts';
import { Recorder } from '../history/recorder.ts';
import { DEFAULT_SETTINGS, Workload } from '../workload/index.ts';
import type { DurableLog } from '../world/durableLog.ts';
import { clientAddress } from '../world/memberProcess.ts';
import { SimNetwork } from '../world/network.ts';
import type { Show } from '../world/observer.ts';
import { SimOperator } from '../world/operator.ts';
import { MemberSlot } from '../world/slot.ts';
import { describeSpoil, spoilsInUse } from '../world/spoil.ts';
import { NEXT, PREVIOUS } from '../world/versions.ts';
import { World } from '../world/world.ts';
import { ClientMachine } from './clientMachine.ts';
import { MarkCounter, type Marks, noneStruck, type Struck } from './marks.ts';
import { mendingBoundMs } from './mending.ts';
import { Nemesis } from './nemesis.ts';
import { describePlan, type Plan } from './plan.ts';
import { Transcript } from './transcript.ts';

/** The cluster must stand, from nothing, within this. */
const FOUNDING_MS = 60_000;
/**
 * From then on, until clients are served: leaderships go to where they belong, and a lease of a client that is gone
 * begins anew with each leader.
 */
const SERVING_MS = 10_000;
/** From mending on, until all groups have come to what all members know. */
const RAISING_MS = 10_000;
/** Clients go on for so long, and all of it must work. */
const CALM_MS = 4_000;
/** For clients to finish what they are at, and for the final look. */
const FINISH_MS = 180_000;

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  /** What the product or the simulator found wrong by itself. */
  readonly error: unknown;
  readonly hash: string;
  readonly lines: number;
  readonly events: number;
  readonly simulatedMs: number;
  /** What part of its bound the mending took; null: it did not come to that. */
  readonly mendingShare: number | null;
  readonly operations: number;
  readonly acknowledged: number;
  /** That hit something. */
  readonly blows: number;
  readonly marks: Marks;
  /** Faults by name, of messages too. */
  readonly struck: Struck;
}

export interface RunOptions {
  /** Null: not written. */
  readonly transcriptPath: string | null;
}

/** One seed from the founding of its cluster to the last check. */
export async function simulate(plan: Plan, options: RunOptions): Promise<RunResult> {
  const world = new World(plan.seed);
  const recorder = new Recorder(() => world.nowMs);
  const transcript = new Transcript(options.transcriptPath, () => world.nowMs);
  const checker = new ObservationChecker();
  const violations: Violation[] = [];
  let acknowledged = 0;
  const counter = new MarkCounter();
  const note = (line: string): void => {
    counter.note(line);
    transcript.note(line);
  };
  const expired: SessionsExpired[] = [];
  const configured: QueueConfigured[] = [];
  const show: Show = (shown) => {
    const observation = { ...shown, order: recorder.nextOrder(), worldMs: world.nowMs } as Observation;
    transcript.show(observation);
    counter.show(observation);
    if (observation.kind === 'expired') expired.push(observation);
    if (observation.kind === 'queueConfigured') configured.push(observation);
    if (observation.kind === 'applied' || observation.kind === 'installed') {
      applied.set(`${observation.member} ${observation.group}`, observation.index);
    }
    if (observation.kind === 'acknowledged') acknowledged += 1;
    const found = checker.observe(observation);
    if (found.length === 0) return;
    violations.push(...found);
    world.fail(new CheckFailed(found));
  };
  note(describePlan(plan));

  const network = new SimNetwork(world, world.random.split('network'), plan.link);
  const slots: MemberSlot[] = [];
  // Those of lost volumes too: what was on them when it was counted was there.
  const logs = new Map<number, DurableLog>();
  let cluster = `sim-${plan.seed}`;
  const recoveries: Recovery[] = [];
  /** By member and group. */
  const applied = new Map<string, number>();
  const durableOf = (memberId: number, group: number): number => logs.get(memberId)?.group(group).index ?? 0;
  for (let ordinal = 0; ordinal < plan.slots; ordinal++) {
    slots.push(
      new MemberSlot({
        ordinal,
        world,
        random: world.random.split(`slot ${ordinal}`),
        network,
        clock: plan.memberClocks[ordinal]!,
        diskPlan: plan.disk,
        tuning: plan.tuning,
        features: plan.faults.has('versions') ? PREVIOUS : FEATURES,
        messageFaults: plan.messageFaults,
        show,
        durableOf,
        onVolume: (memberId, log) => logs.set(memberId, log),
        currentCluster: () => cluster,
        onRecovered: (clusterId) => {
          cluster = clusterId;
          const { memberId } = slots[ordinal]!;
          const groups = Array.from({ length: plan.shards + 1 }, (_, group) => group);
          recoveries.push({
            order: recorder.nextOrder(),
            applied: new Map(groups.map((group) => [group, applied.get(`${memberId} ${group}`) ?? 0])),
          });
        },
        note,
        restartMs: [20, 2_000],
      }),
    );
  }
  const operator = new SimOperator(
    { world, slots, clusterId: cluster, shards: plan.shards, note },
    plan.members,
  );
  for (const { ordinal, byMs, fromStart } of plan.wildClocks) if (fromStart) slots[ordinal]?.shiftWall(byMs);
  const clients = plan.clientClocks.map(
    (clock, at) => new ClientMachine(world, `client-${at}`, clock, () => workload.replace(at)),
  );
  let calm = false;
  const workload: Workload = new Workload(
    {
      recorder,
      clientOptions: (at) => {
        const { host, process } = clients[at]!;
        return {
          endpoints: slots.map(({ ordinal }) => clientAddress(ordinal)),
          transport: network.clientTransport(host, process),
          clock: process,
          sessionTtlMs: plan.sessionTtlMs,
          requestTimeoutMs: plan.requestTimeoutMs,
        };
      },
    },
    plan.seed,
    {
      ...DEFAULT_SETTINGS,
      clients: plan.clients,
      pauseMs: plan.pauseMs,
      // Where all hold on to what they have, nobody sees that locks can be had again.
      get holdMs() {
        return calm ? Math.min(plan.holdMs, DEFAULT_SETTINGS.holdMs) : plan.holdMs;
      },
      markMs: plan.markMs,
      burstShare: plan.burstShare,
      burstGapMs: plan.burstGapMs,
      // A client that is closed lets what it was at end as it may: not when all is to be answered.
      get reconnect() {
        return calm ? 0 : DEFAULT_SETTINGS.reconnect;
      },
      get deletion() {
        return calm ? 0 : DEFAULT_SETTINGS.deletion;
      },
    },
  );
  const struck = noneStruck();
  const nemesis = new Nemesis({
    world,
    random: world.random.split('nemesis'),
    plan,
    network,
    slots,
    operator,
    clients,
    note,
    struck: (fault) => {
      struck[fault] += 1;
    },
  });

  let mendingShare: number | null = null;
  let auditMissing: readonly string[] = [];
  let healing: Healing | null = null;
  let raisedOrder = Number.POSITIVE_INFINITY;
  let error: unknown = null;
  let over = false;
  const unhandled = (reason: unknown): void => world.fail(reason);
  process.on('unhandledRejection', unhandled);

  const within = async (what: string, ms: number, holds: () => boolean): Promise<void> => {
    const dueMs = world.nowMs + ms;
    while (!holds()) {
      if (world.nowMs > dueMs) throw new Error(`${what}: not within ${ms} ms`);
      await world.sleep(100);
    }
  };
  const timely = <T>(what: string, ms: number, work: Promise<T>): Promise<T> =>
    Promise.race([
      work,
      world.sleep(ms).then(() => {
        throw new Error(`${what}: not within ${ms} ms`);
      }),
    ]);
  const story = async (): Promise<void> => {
    void operator.run();
    await within('founding', FOUNDING_MS, () => operator.settled);
    note('founded');
    if (!(await timely('the declaration of queues', FOUNDING_MS, workload.prepare()))) {
      throw new Error('the queues cannot be declared');
    }
    workload.start();
    await nemesis.attack(world.nowMs + plan.attackMs);
    nemesis.heal();
    calm = true;
    const mendingMs = mendingBoundMs(plan, {
      reluctant: slots.some(({ running }) => running?.member.reluctant === true),
      heldBack: nemesis.heldBack,
      restarts: nemesis.restarts,
    });
    const beganMs = world.nowMs;
    await within('mending', mendingMs, () => nemesis.rolled && operator.settled);
    mendingShare = (world.nowMs - beganMs) / mendingMs;
    for (const { wanted, host, disk } of slots) {
      const wrong = wanted ? spoilsInUse(disk) : [];
      if (wrong.length > 0)
        throw new Error(`${host} votes on what is spoilt: ${wrong.map(describeSpoil).join('; ')}`);
    }
    const withinMs = SERVING_MS + plan.sessionTtlMs;
    healing = { healedMs: world.nowMs, withinMs };
    note('mended');
    if (plan.faults.has('versions')) {
      const levels = (): number[] =>
        slots.flatMap(({ running }) => [...(running?.member.groups.values() ?? [])].map(levelOf));
      await within('the next feature level', RAISING_MS, () =>
        levels().every((level) => level === NEXT.level),
      );
      raisedOrder = recorder.nextOrder();
      note('raised');
    }
    await world.sleep(withinMs + CALM_MS);
    note('stops');
    await timely('the end of the work', FINISH_MS, workload.stop());
    const { missing } = await timely('the audit', FINISH_MS, workload.audit());
    auditMissing = missing;
    operator.stop();
    over = true;
  };
  story().catch((reason: unknown) => world.fail(reason));
  try {
    await world.run(() => over);
    violations.push(
      ...checkHistory(recorder.operations(), { healing, auditMissing, recoveries, expired, configured }),
    );
    violations.push(...checkServed(recorder.operations(), raisedOrder));
  } catch (reason) {
    if (!(reason instanceof CheckFailed)) error = reason;
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  for (const violation of violations) note(describe(violation));
  if (error !== null) note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  for (const { id, client, kind, outcome, error: code, invoked, completed } of recorder.operations()) {
    note(
      `#${id} client ${client} ${kind} ${invoked.order}-${completed?.order ?? ''} ${outcome} ${code ?? ''}`,
    );
  }
  if (options.transcriptPath !== null) {
    writeFileSync(`${options.transcriptPath}.history`, encodeLines(recorder.operations()));
  }
  const blows = Object.values(struck).reduce((sum, count) => sum + count, 0);
  return {
    seed: plan.seed,
    violations,
    error,
    lines: transcript.lines,
    hash: transcript.end(),
    events: world.events,
    simulatedMs: world.nowMs,
    mendingShare,
    operations: recorder.size,
    acknowledged,
    blows,
    marks: counter.marks,
    struck: { ...struck, ...plan.messageFaults.struck },
  };
}

const levelOf = ({ machine }: Group): number => machine.featureLevel();

class CheckFailed extends Error {
  constructor(violations: readonly Violation[]) {
    super(violations.map(describe).join('\n'));
  }
}
