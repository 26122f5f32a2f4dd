import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../rig/cluster.ts';
import type { Attack } from './attack.ts';
import { type Counts, noCounts } from './counts.ts';
import { fillDisk, type SmallMember } from './disk.ts';
import type { Fault } from './faults.ts';
import { loseVolume, scale, transfer } from './membership.ts';
import { healNetwork, networkFault } from './network.ts';
import type { Lane, PlannedFault } from './plan.ts';
import { processFault } from './processes.ts';

export interface NemesisOptions {
  readonly cluster: Cluster;
  /** Null: no disk fills up. */
  readonly small: SmallMember | null;
  /** Since the start of the run. */
  readonly nowMs: () => number;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Something changed in what the cluster can be asked for. */
  readonly onChange: () => void;
}

/** Does to a cluster what a plan says. */
export class Nemesis {
  readonly counts: Counts = noCounts();
  readonly #options: NemesisOptions;

  constructor(options: NemesisOptions) {
    this.#options = options;
  }

  /** Resolves when all is done or `signal` is aborted; whatever holds then holds on until `heal`. */
  async run(planned: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    const { cluster, log, onChange } = this.#options;
    const attack: Attack = { cluster, counts: this.counts, signal, log, onChange };
    const lanes: readonly Lane[] = ['processes', 'network', 'other'];
    await Promise.all(
      lanes.map((lane) =>
        this.#lane(
          planned.filter((p) => p.lane === lane),
          attack,
        ),
      ),
    );
  }

  async #lane(planned: readonly PlannedFault[], attack: Attack): Promise<void> {
    const { signal, log } = attack;
    for (const next of planned) {
      try {
        await sleep(Math.max(0, next.atMs - this.#options.nowMs()), undefined, { signal });
        await this.#execute(next, attack);
      } catch (error) {
        if (signal.aborted) return;
        log('failed', { fault: next.fault, error: String(error) });
      }
    }
  }

  /** Everything works again, except for clocks. */
  heal(): void {
    const { cluster, small, log, onChange } = this.#options;
    healNetwork(cluster);
    small?.volume.free();
    for (const ordinal of cluster.active) {
      cluster.member(ordinal).resume();
      cluster.start(ordinal);
    }
    log('healed', {});
    onChange();
  }

  /** Brings the cluster, healed before, to so many members. */
  async restoreMembers(members: number, signal: AbortSignal): Promise<void> {
    const { cluster, log, onChange } = this.#options;
    await scale({ cluster, counts: this.counts, signal, log, onChange }, members);
  }

  async #execute({ fault, holdMs }: PlannedFault, attack: Attack): Promise<void> {
    const ranked = await this.#ranked(fault);
    attack.log('begin', { fault, members: ranked, holdMs });
    switch (fault.kind) {
      case 'kill':
      case 'killTwice':
      case 'killAll':
      case 'pause':
      case 'pauseAndKillOthers':
      case 'terminate':
      case 'wildClock':
        await processFault(attack, fault, ranked, holdMs);
        break;
      case 'fillDisk':
        if (this.#options.small !== null)
          await fillDisk(attack, this.#options.small, holdMs, fault.killAfterMs);
        break;
      case 'scale':
        await scale(attack, fault.members);
        this.counts.scalings += 1;
        break;
      case 'loseVolume':
        await loseVolume(attack, ranked[0] as number);
        break;
      case 'transfer':
        await transfer(attack, fault.group);
        break;
      default:
        await networkFault(attack, fault, ranked, holdMs);
    }
    attack.log('end', { fault: fault.kind, members: ranked });
  }

  /** The ordinals that a fault's `whom` means now. */
  async #ranked(fault: Fault): Promise<readonly number[]> {
    const { cluster } = this.#options;
    const { active } = cluster;
    if (!('whom' in fault)) return active;
    const leader = await cluster.leader(fault.whom.group);
    const order = leader === null ? active : [leader, ...active.filter((ordinal) => ordinal !== leader)];
    return fault.whom.ranks.map((rank) => order[rank % order.length] as number);
  }
}
