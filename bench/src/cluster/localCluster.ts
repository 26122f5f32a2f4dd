import { randomInt, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient, AdminError, type AdminStatus, type RosterChange } from './adminClient.ts';
import { MemberProcess, memberProgram, PORTS } from './memberProcess.ts';

export interface LocalClusterOptions {
  readonly members: number;
  /** Where volumes and logs go, and stay; absent: a temporary directory that goes with the cluster. */
  readonly dir?: string;
  /** Data groups. */
  readonly shards?: number;
  /** Built member program; default: the workspace's. */
  readonly program?: string;
  readonly readyTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface LocalCluster {
  /** `host:port` of each member's client listener. */
  readonly endpoints: readonly string[];
  /** `host:port` of each member's health and metrics listener. */
  readonly healthEndpoints: readonly string[];
  readonly adminEndpoints: readonly string[];
  readonly pids: readonly number[];
  /** Ends the members and waits for them; may be called twice. */
  stop(): Promise<void>;
}

const POLL_MS = 25;
const STOP_GRACE_MS = 7_000;

/**
 * Starts members as processes, each on a loopback address of its own, and founds a cluster of them the way the
 * operator does: the first bootstrapped alone, the others learners until they have caught up, then voters.
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  if (process.platform !== 'linux') {
    throw new Error('local members need a loopback address each, which only Linux has; use --endpoints');
  }
  const program = options.program ?? memberProgram();
  const temporary = options.dir === undefined;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'synccluster-bench-')));
  const members: MemberProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop(STOP_GRACE_MS)));
    if (temporary) await rm(dir, { recursive: true, force: true });
  };
  try {
    const prefix = await freeAddresses(options.members);
    for (let ordinal = 0; ordinal < options.members; ordinal++) {
      members.push(
        new MemberProcess({
          ordinal,
          address: `${prefix}${ordinal}`,
          peerAddress: `${prefix}{ordinal}`,
          dir,
          program,
        }),
      );
    }
    const deadlineMs = performance.now() + (options.readyTimeoutMs ?? 60_000);
    await found(members, options.shards ?? 3, deadlineMs, options.signal);
    const listener = (port: number): string[] => members.map((member) => `${member.address}:${port}`);
    return {
      endpoints: listener(PORTS.client),
      healthEndpoints: listener(PORTS.health),
      adminEndpoints: listener(PORTS.admin),
      pids: members.map((member) => member.pid),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function found(
  members: readonly MemberProcess[],
  shards: number,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const admins = members.map((member) => new AdminClient(`${member.address}:${PORTS.admin}`));
  const first = admins[0]!;
  const until = <T>(what: string, attempt: () => Promise<T | null>): Promise<T> =>
    waitFor(what, attempt, members, deadlineMs, signal);

  const identities = await Promise.all(
    admins.map((admin, ordinal) => until(`identity of member ${ordinal}`, () => admin.identity())),
  );
  const clusterId = randomUUID();
  await until('bootstrap', () => first.bootstrap(clusterId, shards));
  await until('leaders of the first member', async () => {
    const status = await first.status();
    return status.groups.length > 0 && status.groups.every((group) => group.leader !== 0) ? true : null;
  });

  const others = identities.slice(1);
  const setTargets = async (target: 'learner' | 'voter'): Promise<void> => {
    const changes = others.map(
      ({ memberId }, index): RosterChange => ({ memberId, ordinal: index + 1, target }),
    );
    await until(`roster: ${target}`, async () => {
      const { roster } = await first.status();
      await first.roster(roster.version, changes);
      return true;
    });
  };
  if (others.length > 0) {
    await setTargets('learner');
    await until('learners to catch up', async () => {
      const [reference, ...rest] = await Promise.all(admins.map((admin) => admin.status()));
      return rest.every((status) => hasCaughtUp(status, reference!)) ? true : null;
    });
    await setTargets('voter');
  }
  await until('readiness', async () => {
    const all = await Promise.all(admins.map((admin) => admin.status()));
    return all.every((status) => status.ready && status.groups.every((group) => group.membership === 'voter'))
      ? true
      : null;
  });
}

function hasCaughtUp(status: AdminStatus, reference: AdminStatus): boolean {
  return reference.groups.every((group) => {
    const own = status.groups.find((candidate) => candidate.group === group.group);
    return own !== undefined && own.membership !== 'none' && own.applied >= group.commit;
  });
}

/** Retries what a member that is still starting or electing refuses; any other refusal is final. */
async function waitFor<T>(
  what: string,
  attempt: () => Promise<T | null>,
  members: readonly MemberProcess[],
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<T> {
  let last = 'not yet';
  for (;;) {
    signal?.throwIfAborted();
    for (const member of members) member.assertRunning();
    try {
      const value = await attempt();
      if (value !== null) return value;
      last = 'not yet';
    } catch (error) {
      if (error instanceof AdminError && error.code === 'INVALID_ARGUMENT') throw error;
      last = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() > deadlineMs)
      throw new Error(`the local cluster did not come up: ${what}: ${last}`);
    await sleep(POLL_MS);
  }
}

/** A prefix such that prefix + ordinal are loopback addresses on which all ports are free. */
async function freeAddresses(members: number): Promise<string> {
  for (let attempt = 0; attempt < 20; attempt++) {
    // Digits only after "1": ordinals 0…9 give .10 to .19.
    const prefix = `127.${randomInt(64, 250)}.${randomInt(1, 250)}.1`;
    const checks: Promise<boolean>[] = [];
    for (let ordinal = 0; ordinal < members; ordinal++) {
      for (const port of Object.values(PORTS)) checks.push(isFree(`${prefix}${ordinal}`, port));
    }
    if ((await Promise.all(checks)).every(Boolean)) return prefix;
  }
  throw new Error(`no loopback addresses with ports ${Object.values(PORTS).join(', ')} free`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
