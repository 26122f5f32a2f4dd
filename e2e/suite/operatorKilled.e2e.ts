import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { applyCluster, SYSTEM_NAMESPACE } from '../kind/story.ts';
import { waitUntil } from '../rig/condition.ts';
import { timedReport } from '../rig/progress.ts';
import { runningRig } from '../rig/rig.ts';
import { readAccess } from './access.ts';
import { ClientPod } from './clientPod.ts';
import { DEMO, Demo } from './demo.ts';
import { Namespace, type PodObject } from './kubernetes.ts';
import { ensureOperator, OPERATOR } from './operator.ts';
import {
  killNow,
  LEASE,
  type LeadingOperator,
  type LeaseObject,
  leadingOperator,
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
const rig = access.isRig ? runningRig() : null;
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

/** How many steps had been done when the operator was killed and right after; null: the moment was missed. */
interface Strike {
  readonly before: number;
  readonly after: number;
  /** By the wall clock. */
  readonly atMs: number;
}

/** Kills the operator in the moment in which so many steps are done, and no more. */
async function strikeAfter(
  steps: readonly ScalingStep[],
  wanted: number,
  leading: LeadingOperator,
): Promise<Strike | null> {
  let seen: ScalingState;
  const deadline = performance.now() + 120_000;
  do {
    seen = await observer!.state();
    if (performance.now() > deadline) throw new Error(`step ${wanted} did not come`);
  } while (stepsDone(steps, seen) < wanted);
  const before = stepsDone(steps, seen);
  if (before > wanted) return null;
  const atMs = Date.now();
  await killNow(leading);
  const after = stepsDone(steps, await observer!.state());
  // What it had asked for a moment ago may have been done still.
  return after > stepsWithoutOperator(steps, wanted) ? null : { before, after, atMs };
}

interface Killed extends Pick<LeadingOperator, 'pod'> {
  readonly atMs: number;
}

/** Scales until the operator was killed right after the step, and then lets the next one finish. */
async function killedAfter(steps: readonly ScalingStep[], step: ScalingStep): Promise<Killed> {
  const wanted = steps.indexOf(step) + 1;
  const [from, to] = steps === UP ? ([3, 5] as const) : ([5, 3] as const);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (members !== from) {
      await scale(from);
      await demo.settled(from);
    }
    const leading = await leadingOperator(rig!, system);
    if (steps === DOWN) await leadByMoving();
    expect(stepsDone(steps, await observer!.state())).toBe(0);
    // What follows may begin before kubectl has returned.
    const [strike] = await Promise.all([strikeAfter(steps, wanted, leading), scale(to)]);
    if (strike !== null) {
      const next = steps[strike.after]?.name;
      report(
        `killed ${leading.pod.metadata.name} after "${step.name}"; right then "${steps[strike.after - 1]?.name}" was done` +
          (next === undefined ? '' : ` and "${next}" was not`),
      );
      expect(strike.before).toBe(wanted);
      expect(strike.after).toBeGreaterThanOrEqual(wanted);
      expect(strike.after).toBeLessThanOrEqual(stepsWithoutOperator(steps, wanted));
      return { pod: leading.pod, atMs: strike.atMs };
    }
    report(`"${step.name}" was over before it was seen: once more`);
    await demo.settled(to);
    await replaceKilled(system, leading);
  }
  throw new Error(`"${step.name}" was never seen in ${ATTEMPTS} attempts`);
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
    await space.remove();
  });

  test('for good is followed within the lease by the one that stood by, which goes on', async () => {
    const standby = async (): Promise<PodObject | undefined> => {
      const holder = (await system.get<LeaseObject>(LEASE)).spec.holderIdentity;
      return (await system.list<PodObject>('pods', OPERATOR)).find(
        ({ metadata }) => metadata.name !== holder,
      );
    };
    await leadingOperator(rig!, system);
    const next = await standby();
    const killed = await killedAfter(UP, UP[0]!);
    // Its program would come back by itself under the name that still holds the lease.
    const deletion = ['--grace-period=0', '--force', '--wait=false'];
    await system.kubectl(['delete', `pod/${killed.pod.metadata.name}`, ...deletion]);
    const before = await system.get<LeaseObject>(LEASE);
    expect(before.spec.holderIdentity).toBe(killed.pod.metadata.name);
    let after = before;
    await waitUntil(
      'another holder of the lease',
      async () => {
        after = await system.get<LeaseObject>(LEASE);
        return after.spec.holderIdentity !== before.spec.holderIdentity;
      },
      { timeoutMs: 60_000, intervalMs: 200 },
    );
    expect(after.spec.holderIdentity).toBe(next?.metadata.name);
    expectTakeover(before, after, killed.atMs);
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
      await checkSettled();
      await replaceKilled(system, killed);
    },
  );
});
