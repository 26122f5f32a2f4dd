import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { type Client, connect } from '@synccluster/client';
import { afterEach, expect, it } from 'vitest';
import { LocalMembers, until } from './localMembers.ts';

const BODY = new Uint8Array(100_000);
const IN_FLIGHT = 64;

let members: LocalMembers | null = null;
let mounted: string | null = null;
afterEach(async () => {
  await members?.kill(0);
  if (mounted !== null) spawnSync('umount', [mounted]);
  mounted = null;
  await members?.stop();
  members = null;
});

/** False where this process may not mount anything. */
function mount(path: string, size: string): boolean {
  mkdirSync(path, { recursive: true });
  const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
  if (done.status !== 0) return false;
  mounted = path;
  return true;
}

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

/** Enqueues, many at a time, until the disk is full; how many were taken. */
async function fill(client: Client): Promise<number> {
  let taken = 0;
  const codes = new Set<string>();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (!codes.has('DISK_FULL')) {
        try {
          await client.queue('mail').enqueue(BODY);
          taken += 1;
        } catch (error) {
          codes.add(codeOf(error));
          if (codeOf(error) !== 'DISK_FULL') throw error;
        }
      }
    }),
  );
  return taken;
}

/** Takes and acknowledges until nothing comes any more; how many there were. */
async function drain(client: Client): Promise<number> {
  let total = 0;
  for (;;) {
    const messages = await client.queue('mail').receive({ max: 100, waitMs: 0 });
    if (messages.length === 0) return total;
    await client.queue('mail').ack(messages);
    total += messages.length;
  }
}

// A sixth of the volume at least: how much more fits depends on when snapshots were taken.
it.for([
  ['24 MiB', '24m', 20],
  ['200 MiB', '200m', 300],
] as const)(
  'a full volume of %s refuses what grows, lives, is restarted by force, and takes messages again once they are acknowledged',
  { timeout: 90_000 },
  async ([, size, atLeast], { skip }) => {
    members = new LocalMembers();
    if (!mount(members.volume(0), size)) {
      skip('this process may not mount a file system');
    }
    await members.found(1);
    const pid = members.pid(0);
    let client = await connect({ endpoints: [members.endpoint(0)] });
    await client.queues.declare('mail', { visibilityMs: 60_000 });
    const taken = await fill(client);
    expect(taken).toBeGreaterThan(atLeast);
    expect([members.running(0), members.pid(0)]).toEqual([true, pid]);
    await client.close();

    await members.kill(0);
    members.start(0);
    await members.ready(1);
    client = await connect({ endpoints: [members.endpoint(0)] });
    // Some more may fit, for a restart lets spare segments go; then it is full again, with all that was taken.
    const more = await fill(client);
    expect(await drain(client)).toBe(taken + more);
    let again = 0;
    await until('room for as many again', async () => {
      again += await fill(client);
      return again > atLeast;
    });
    await client.close();
    expect(members.running(0)).toBe(true);
    expect(await members.kill(0, 'SIGTERM')).toBe(0);
    expect(members.log(0)).not.toContain('stops at once');
  },
);
