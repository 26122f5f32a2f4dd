import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeLines, type Operation, type Recorder } from '../sim/history/index.ts';
import { Random } from '../sim/world/random.ts';
import type { Evidence } from './evidence.ts';
import { Load } from './load.ts';
import type { Counts } from './nemesis/counts.ts';
import type { SmallMember } from './nemesis/disk.ts';
import { Nemesis } from './nemesis/nemesis.ts';
import { plan } from './nemesis/plan.ts';
import { Addresses } from './rig/addresses.ts';
import { Cluster } from './rig/cluster.ts';
import type { ProcessEnd, Program } from './rig/memberProcess.ts';
import { SmallVolume } from './rig/smallVolume.ts';
import { until } from './rig/waiting.ts';
import { type Outage, outages, Timeline } from './verdict/availability.ts';
import { missing } from './verdict/required.ts';

const MEMBERS = 3;
const SMALL_MEBIBYTES = 32;
const START_TIMEOUT_MS = 60_000;
/** From the end of all faults until every member is a ready voter again, of a busy machine. */
const HEAL_TIMEOUT_MS = 60_000;
/** After that every service has to answer, */
const SERVED_WITHIN_MS = 10_000;
/** and for so long nothing may go unanswered. */
const CALM_MS = 5_000;
const PROGRESS_MS = 10_000;

export interface RunOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly diskFull: boolean;
  readonly evidence: Evidence;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  readonly report: (line: string) => void;
  readonly program: Program;
}

export interface Verdict {
  readonly counts: Counts;
  readonly outages: readonly Outage[];
  readonly operations: readonly Operation[];
  /** Refusals for want of space on some member's disk. */
  readonly diskFullRefusals: number;
  readonly memberStarts: number;
  /** Broken promises, each in a few lines. */
  readonly problems: readonly string[];
  /** What should have been done to the cluster and was not: then the run shows nothing. */
  readonly lacking: readonly string[];
}

/** One run from the founding of the cluster to the verdict over its history. Nothing runs any more afterwards. */
export async function run(options: RunOptions): Promise<Verdict> {
  const { seed, evidence, signal, report } = options;
  const problems: string[] = [];
  const random = new Random(seed, 'run');
  const smallOrdinal = random.below(MEMBERS);
  const small = options.diskFull ? mountSmall(evidence.path('small')) : null;
  const volumes = new Map<number, string>();
  if (small !== null) volumes.set(smallOrdinal, join(small.path, 'volume'));
  const quorum = new Timeline();
  let cluster: Cluster | null = null;
  const onChange = (): void => {
    if (cluster !== null) quorum.note(cluster.hasQuorum, options.nowMs());
  };
  try {
    const links = random.split('links');
    cluster = await Cluster.create({
      addresses: new Addresses(),
      dir: evidence.dir,
      volumes,
      program: options.program,
      chance: () => links.unit(),
      onServing: onChange,
      onUnasked: (ordinal, end) => {
        onChange();
        problems.push(unasked(ordinal, end));
        evidence.log('ended by itself', { ordinal, ...end });
      },
    });
    report(`starts ${MEMBERS} members`);
    await cluster.found(MEMBERS, randomUUID(), START_TIMEOUT_MS, signal);
    await cluster.settled({ timeoutMs: START_TIMEOUT_MS, signal });
    const filled = small === null ? null : { ordinal: smallOrdinal, volume: small };
    return await attack(options, { cluster, small: filled, quorum, onChange, problems });
  } finally {
    await cluster?.close();
    if (small !== null) {
      if (problems.length > 0) evidence.keepVolume(`volume-${smallOrdinal}`, join(small.path, 'volume'));
      small.unmount();
    }
  }
}

function mountSmall(path: string): SmallVolume {
  let refusal = '';
  const small = SmallVolume.mount(path, SMALL_MEBIBYTES, (reason) => {
    refusal = reason;
  });
  if (small !== null) return small;
  throw new Error(`no small volume can be mounted (${refusal}); --no-disk-full goes without it`);
}

function unasked(ordinal: number, { code, signal }: ProcessEnd): string {
  return `member ${ordinal} ended by itself (code ${code}, signal ${signal}): see member-${ordinal}.log`;
}

interface Stage {
  readonly cluster: Cluster;
  readonly small: SmallMember | null;
  readonly quorum: Timeline;
  readonly onChange: () => void;
  readonly problems: string[];
}

async function attack(options: RunOptions, stage: Stage): Promise<Verdict> {
  const load = new Load(stage.cluster, options.seed, options.nowMs);
  try {
    await load.start();
    return await attackUnder(load, options, stage);
  } finally {
    options.evidence.write('history.jsonl', encodeLines(load.recorder.operations()));
  }
}

async function attackUnder(load: Load, options: RunOptions, stage: Stage): Promise<Verdict> {
  const { cluster, small, quorum, onChange, problems } = stage;
  const { seed, durationMs, evidence, signal, report } = options;
  const { recorder } = load;
  const beganMs = options.nowMs();
  const nowMs = (): number => options.nowMs() - beganMs;
  const nemesis = new Nemesis({ cluster, small, nowMs, log: evidence.log, onChange });
  const planned = plan(seed, durationMs);
  evidence.write('plan.jsonl', planned.map((fault) => `${JSON.stringify(fault)}\n`).join(''));
  const progress = setInterval(() => {
    report(progressLine(nowMs(), durationMs, nemesis.counts, recorder));
  }, PROGRESS_MS);
  const faultsEnd = AbortSignal.any([signal, AbortSignal.timeout(durationMs)]);
  try {
    await nemesis.run(planned, faultsEnd);
    // Nothing planned any more is no reason to end early.
    await sleep(Math.max(0, durationMs - nowMs()), undefined, { signal });
  } finally {
    clearInterval(progress);
    nemesis.heal();
  }
  report('all faults are mended');
  await afterwards(cluster, nemesis, load, options, problems);
  const operations = recorder.operations();
  const diskFullRefusals = operations.filter(({ error }) => error === 'DISK_FULL').length;
  const lacking = missing(nemesis.counts, durationMs, small !== null);
  if (small !== null && diskFullRefusals === 0) lacking.push('no client was refused while a disk was full');
  report(`checks ${operations.length} operations`);
  problems.push(...load.check());
  const whole = { fromMs: beganMs, toMs: beganMs + durationMs };
  return {
    counts: nemesis.counts,
    outages: outages(operations, whole, quorum.spans(whole.toMs)),
    operations,
    diskFullRefusals,
    memberStarts: cluster.members.reduce((sum, { starts }) => sum + starts, 0),
    problems,
    lacking,
  };
}

/** Nothing is broken any more: whatever is owed has to come now. */
async function afterwards(
  cluster: Cluster,
  nemesis: Nemesis,
  load: Load,
  options: RunOptions,
  problems: string[],
): Promise<void> {
  const { signal, report, nowMs } = options;
  const wait = { timeoutMs: HEAL_TIMEOUT_MS, signal };
  const mendedMs = nowMs();
  const isWhole = await demand(problems, signal, async () => {
    await cluster.settled(wait);
    await nemesis.restoreMembers(MEMBERS, signal);
    await cluster.settled(wait);
    report(`${MEMBERS} members are ready voters again after ${Math.round(nowMs() - mendedMs)} ms`);
  });
  if (isWhole) {
    load.healed(nowMs(), SERVED_WITHIN_MS);
    await sleep(SERVED_WITHIN_MS + CALM_MS, undefined, { signal });
  }
  report('clients stop, and look at what is left');
  problems.push(...(await load.stop(isWhole)));
  if (isWhole) {
    await demand(problems, signal, () =>
      until('all members to have applied the same', () => converged(cluster), wait),
    );
  }
  for (const ordinal of cluster.active) {
    await demand(problems, signal, async () => {
      const { damaged } = await cluster.member(ordinal).admin.identity();
      if (damaged !== null) throw new Error(`member ${ordinal} is damaged: ${damaged}`);
    });
  }
}

/** What fails is a finding, and the run goes on to what else can be found; unless it was interrupted. */
async function demand(
  problems: string[],
  signal: AbortSignal,
  work: () => Promise<unknown>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    problems.push(error instanceof Error ? error.message : String(error));
    return false;
  }
}

/** With no load any more: every member at the same index of every group. */
async function converged(cluster: Cluster): Promise<boolean> {
  const statuses = [...(await cluster.statuses()).values()];
  if (statuses.length !== cluster.active.length) return false;
  const places = statuses.map(({ groups }) =>
    JSON.stringify(groups.map((g) => [g.group, g.lastIndex, g.applied])),
  );
  const done = statuses.every(({ groups }) => groups.every((g) => g.applied === g.lastIndex));
  return done && new Set(places).size === 1;
}

function progressLine(nowMs: number, durationMs: number, counts: Counts, recorder: Recorder): string {
  const { kills, partitions, pauses, diskFullPeriods } = counts;
  const faults = `${kills} kills, ${partitions} partitions, ${pauses} pauses, ${diskFullPeriods} full disks`;
  return `${Math.round(nowMs / 1000)} of ${durationMs / 1000} s: ${recorder.size} operations; ${faults}`;
}
