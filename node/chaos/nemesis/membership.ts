import { until } from '../rig/waiting.ts';
import { type Attack, kill } from './attack.ts';

/** A change of membership has to get through all other faults. */
const TIMEOUT_MS = 60_000;
/** After that somebody else leads, and a transfer is tried anew. */
const LEADS_WITHIN_MS = 5_000;

/** To members 0 … `members` − 1. Goes on where an earlier attempt has come to nothing, or halfway. */
export async function scale(attack: Attack, members: number): Promise<void> {
  const { cluster, onChange } = attack;
  const wait = { timeoutMs: TIMEOUT_MS, signal: attack.signal };
  for (let ordinal = 0; ordinal < members; ordinal++) {
    const isVoter = async (): Promise<boolean> =>
      cluster.active.includes(ordinal) &&
      (await cluster.member(ordinal).admin.status()).groups.every((g) => g.membership === 'voter');
    if (!(await isVoter().catch(() => false))) await cluster.admit(ordinal, wait);
    onChange();
  }
  for (const ordinal of cluster.active.filter((active) => active >= members)) {
    await cluster.dismiss(await idOf(attack, ordinal), ordinal, wait);
    await cluster.retire(ordinal);
    onChange();
  }
}

/** The member at this ordinal loses its volume, is dismissed, and admitted again under a new id. */
export async function loseVolume(attack: Attack, ordinal: number): Promise<void> {
  const { cluster, counts } = attack;
  const wait = { timeoutMs: TIMEOUT_MS, signal: attack.signal };
  const id = await idOf(attack, ordinal);
  // Others start members too: it has to be down when its volume goes.
  do await kill(attack, [ordinal]);
  while (cluster.member(ordinal).isRunning);
  if (cluster.wipe(ordinal)) counts.volumesLost += 1;
  cluster.start(ordinal);
  await cluster.dismiss(id, ordinal, wait);
  await cluster.admit(ordinal, wait);
}

/** Moves the leadership of the group to another member by command. */
export async function transfer(attack: Attack, group: number): Promise<void> {
  const { cluster, counts, signal } = attack;
  const attempt = async (): Promise<boolean> => {
    const leader = await cluster.leader(group);
    const to = cluster.active.find((ordinal) => ordinal !== leader && cluster.member(ordinal).isServing);
    if (leader === null || to === undefined) return false;
    const { memberId } = await cluster.member(to).admin.identity();
    if (!(await cluster.member(leader).admin.transfer(group, memberId)).accepted) return false;
    // Accepted is not done: only that the other one leads.
    return until(`member ${to} to lead`, async () => (await cluster.leader(group)) === to, {
      timeoutMs: LEADS_WITHIN_MS,
      signal,
    });
  };
  await until(`a transfer of group ${group}`, attempt, { timeoutMs: TIMEOUT_MS, signal });
  counts.transfers += 1;
}

/** As the roster has it, so that one that is down is known too. */
function idOf({ cluster, signal }: Attack, ordinal: number): Promise<number> {
  return until(
    `somebody who knows who has ordinal ${ordinal}`,
    async () => {
      for (const { roster } of (await cluster.statuses()).values()) {
        const entry = roster.members.find((m) => m.ordinal === ordinal && m.target !== 'removed');
        if (entry !== undefined) return entry.memberId;
      }
      return null;
    },
    { timeoutMs: TIMEOUT_MS, signal },
  );
}
