import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyCluster, SYSTEM_NAMESPACE } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { readAccess, rigOf } from './access.ts';
import { ClientPod } from './clientPod.ts';
import { DEMO, Demo } from './demo.ts';
import { Namespace } from './kubernetes.ts';
import { ObjectWatch } from './objectWatch.ts';
import { ensureOperator } from './operator.ts';
import {
  killNow,
  LEASE,
  type LeadingOperator,
  type LeaseObject,
  leadingOperator,
  removePod,
  replaceKilled,
} from './operatorProcess.ts';
import { Samples } from './sample.ts';
import { ScalingObserver } from './scalingObserver.ts';
import {
  DOWN,
  MOVING,
  type ScalingState,
  type ScalingStep,
  stepsDone,
  stepsWithoutOperator,
  UP,
} from './scalingSteps.ts';

const NAMESPACE = 'synccluster-e2e-killed';
/** A step can be over before it is seen: then all is scaled back and tried again. */
const ATTEMPTS = 5;

const report = timedReport();
const access = readAccess();
const rig = rigOf(access);
const space = new Namespace(access, NAMESPACE);
const system = new Namespace(access, SYSTEM_NAMESPACE);
const samples = new Samples(NAMESPACE);
const observer = rig === null ? null : new ScalingObserver(NAMESPACE, 'demo');
let client: ClientPod;
let demo: Demo;
let token = 0;
let members: 3 | 5 = 3;

async function scale(to: 3 | 5): Promise<void> {
  await space.kubectl(['scale', DEMO, `--replicas=${to}`]);
  members = to;
}

/** What was acknowledged before is there, on the members there should be, with the volumes there should be. */
async function checkSettled(): Promise<void> {
  await demo.check(members);
  await demo.claimsOf(members);
  const recalled = await client.recall();
  expect(recalled.greeting).toBe('hello');
  expect(recalled.token).toBeGreaterThan(token);
  token = recalled.token;
}

/** Some of those that are to go lead groups, or there would be no leaderships to move. */
async function leadByMoving(): Promise<void> {
  await waitUntil(
    'members 3 and 4 to lead groups',
    async () => {
      for (const [at, ordinal] of MOVING.entries()) await observer!.transfer(at + 1, ordinal);
      return stepsDone(DOWN, await observer!.state()) === 0;
    },
    { timeoutMs: 60_000, intervalMs: 200 },
  );
}

/** How many steps had been done when the operator was killed and right after. */
interface Strike {
  readonly before: number;
  readonly after: number;
  /** When nothing of it ran any more, by the wall clock. */
  readonly atMs: number;
}

/** Kills the operator in the moment in which so many steps are done, and no more; null: the moment was missed. */
async function strikeAfter(
  steps: readonly ScalingStep[],
  wanted: number,
  leading: LeadingOperator,
  forGood: boolean,
): Promise<Strike | null> {
  let seen: ScalingState;
  const deadline = performance.now() + 120_000;
  do {
    seen = await observer!.state();
    if (performance.now() > deadline) throw new Error(`step ${wanted} did not come`);
  } while (stepsDone(steps, seen) < wanted);
  const before = stepsDone(steps, seen);
  if (before > wanted) return null;
  await killNow(leading);
  const atMs = Date.now();
  if (forGood) await removePod(system, leading);
  const after = stepsDone(steps, await observer!.state());
  // What it had asked for a moment ago may have been done still.
  return after > stepsWithoutOperator(steps, wanted) ? null : { before, after, atMs };
}

interface Killed extends Pick<LeadingOperator, 'pod' | 'standby'> {
  readonly atMs: number;
}

/** Scales until the operator was killed right after the step; `forGood`: and its pod removed before it is started again. */
async function killedAfter(
  steps: readonly ScalingStep[],
  step: ScalingStep,
  forGood = false,
): Promise<Killed> {
  const wanted = steps.indexOf(step) + 1;
  const [from, to] = steps === UP ? ([3, 5] as const) : ([5, 3] as const);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (members !== from) {
      await scale(from);
      await demo.settled(from);
    }
    const leading = await leadingOperator(rig!, system);
    if (steps === DOWN) await leadByMoving();
    if (stepsDone(steps, await observer!.state()) !== 0) {
      report('leaderships went back before the scaling began: once more');
      continue;
    }
    // What follows may begin before kubectl has returned.
    const [strike] = await Promise.all([strikeAfter(steps, wanted, leading, forGood), scale(to)]);
    if (strike !== null) {
      const next = steps[strike.after]?.name;
      report(
        `killed ${leading.pod.metadata.name} after "${step.name}"; right then "${steps[strike.after - 1]?.name}" was done` +
          (next === undefined ? '' : ` and "${next}" was not`),
      );
      expect(strike.before).toBe(wanted);
      expect(strike.after).toBeGreaterThanOrEqual(wanted);
      expect(strike.after).toBeLessThanOrEqual(stepsWithoutOperator(steps, wanted));
      return { pod: leading.pod, standby: leading.standby, atMs: strike.atMs };
    }
    report(`"${step.name}" was over before it was seen: once more`);
    await demo.settled(to);
    await replaceKilled(system, leading);
  }
  throw new Error(`"${step.name}" was never seen in ${ATTEMPTS} attempts`);
}

/**
 * The lease as it was left and as the next one took it; null: the program was back before its pod was removed, and gave
 * the lease back or renewed it.
 */
async function takeoverOf(
  { pod, atMs }: Killed,
  leases: ObjectWatch<LeaseObject>,
): Promise<readonly [LeaseObject, LeaseObject] | null> {
  const isLeft = ({ spec }: LeaseObject): boolean =>
    spec.holderIdentity === pod.metadata.name && Date.parse(spec.renewTime) <= atMs;
  const atLeft = (): number => leases.events.findLastIndex(({ object }) => isLeft(object));
  await leases.until('another state of the lease', () => leases.events.length > atLeft() + 1, 60_000);
  const [before, after] = leases.events.slice(atLeft());
  if (before === undefined || after === undefined) throw new Error('the lease was never seen as it was left');
  const holder = after.object.spec.holderIdentity ?? '';
  return holder === '' || holder === pod.metadata.name ? null : [before.object, after.object];
}

/** As long as the lease, and as late as the other sees the last renewal of it. */
function expectTakeover(before: LeaseObject, after: LeaseObject, killedMs: number): void {
  const { leaseDurationSeconds, renewTime } = before.spec;
  const tookMs = Date.parse(after.spec.acquireTime);
  const sinceRenewalMs = tookMs - Date.parse(renewTime);
  const retryMs = (leaseDurationSeconds * 1000 * 2 * 1.2) / 15;
  report(
    `${after.spec.holderIdentity} took over ${tookMs - killedMs} ms after the kill, ` +
      `${sinceRenewalMs} ms after the last renewal`,
  );
  expect(after.spec.leaseTransitions).toBe(before.spec.leaseTransitions + 1);
  expect(sinceRenewalMs).toBeGreaterThanOrEqual(leaseDurationSeconds * 1000);
  // Of it, two seconds are for a machine that is busy.
  expect(sinceRenewalMs).toBeLessThanOrEqual(leaseDurationSeconds * 1000 + retryMs + 2_000);
}

describe.skipIf(rig === null)('an operator killed', () => {
  beforeAll(async () => {
    await ensureOperator(access, report);
    await space.recreate();
    await applyCluster(access, samples.pathOf('cluster'), report);
    client = await ClientPod.start(space, 'demo');
    demo = new Demo(space, client, report);
    token = (await client.use()).tokens[1];
  });
  afterAll(async () => {
    observer?.close();
    samples.remove();
  });

  test('for good is followed within the lease by the one that stood by, which goes on', async () => {
    const leases = await ObjectWatch.start<LeaseObject>(system, [LEASE], 1);
    try {
      for (let attempt = 1; ; attempt++) {
        const killed = await killedAfter(UP, UP[0]!, true);
        const takeover = await takeoverOf(killed, leases);
        if (takeover !== null) {
          const [before, after] = takeover;
          expect(after.spec.holderIdentity).toBe(killed.standby);
          expectTakeover(before, after, killed.atMs);
          break;
        }
        if (attempt === ATTEMPTS) throw new Error(`the operator was back sooner in ${ATTEMPTS} attempts`);
        report('the operator was back before its pod was removed: once more');
        await demo.settled(members);
      }
    } finally {
      leases.close();
    }
    await checkSettled();
  });

  const others = [...DOWN.keys()].flatMap((at) => [
    { steps: DOWN, step: DOWN[at]!, way: 'down' },
    ...(UP[at + 1] === undefined ? [] : [{ steps: UP, step: UP[at + 1]!, way: 'up' }]),
  ]);
  test.each(others)(
    'in a scaling $way right after "$step.name" goes on when it is back',
    async ({ steps, step }) => {
      const killed = await killedAfter(steps, step);
      await demo.settled(members);
      // A new one comes up while the rest is looked at.
      await replaceKilled(system, killed);
      await checkSettled();
    },
  );

  test('leaves nothing', () => space.remove());
});
