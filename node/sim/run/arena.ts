import type { SimNetwork } from '../world/network.ts';
import type { SimOperator } from '../world/operator.ts';
import type { Random } from '../world/random.ts';
import type { MemberSlot } from '../world/slot.ts';
import type { World } from '../world/world.ts';
import type { ClientMachine } from './clientMachine.ts';
import type { FaultName, Plan } from './plan.ts';

export interface ArenaOptions {
  readonly world: World;
  readonly random: Random;
  readonly plan: Plan;
  readonly network: SimNetwork;
  readonly slots: readonly MemberSlot[];
  readonly operator: SimOperator;
  readonly clients: readonly ClientMachine[];
  readonly note: (line: string) => void;
  /** Something was hit by this. */
  readonly struck: (fault: FaultName) => void;
}

/**
 * A fault that is struck at a moment, not one that is always there. False, also by promise: it hit nothing, or says by
 * `Arena.struck` when it does.
 */
export type Blow = () => unknown;

const LOOK_MS = 200;
/** Ten seconds of them. */
const TURN_LOOKS = 50;

/** What all blows need: victims, how long things last, and what a cluster can be asked to survive. */
export class Arena {
  readonly options: ArenaOptions;
  readonly random: Random;
  readonly slots: readonly MemberSlot[];
  readonly clients: readonly ClientMachine[];
  /** Everything is being mended: nothing that was begun may end later, and nothing else begins. */
  over = false;
  /** Machines that stay without power until a forced recovery is through, whatever is mended before. */
  readonly heldBack = new Set<MemberSlot>();
  /** A volume was lost or spoilt, and is not replaced yet: no second one. */
  #volumeAtStake = false;
  /** Faults that wait until a volume may be harmed. */
  readonly #waiting = new Set<FaultName>();

  constructor(options: ArenaOptions) {
    this.options = options;
    this.random = options.random;
    this.slots = options.slots;
    this.clients = options.clients;
  }

  struck(fault: FaultName): void {
    if (!this.over) this.options.struck(fault);
  }

  note(line: string): void {
    this.options.note(`nemesis: ${line}`);
  }

  /** How long something lasts: mostly a moment, sometimes long. */
  lastingMs(): number {
    return this.random.logBetween(20, 15_000);
  }

  /** Ends what was begun, unless everything was healed meanwhile. */
  later(ms: number, end: () => void): void {
    this.options.world.after(ms, () => {
      if (!this.over) end();
    });
  }

  /** Half of the time one that leads something. */
  victim(): MemberSlot {
    const wanted = this.slots.filter((slot) => slot.wanted);
    const leading = wanted.filter(({ running }) =>
      [...(running?.member.groups.values() ?? [])].some((group) => group.isLeader),
    );
    return this.random.pick(leading.length > 0 && this.random.chance(0.5) ? leading : wanted);
  }

  hosts(): string[] {
    return this.slots.filter((slot) => slot.wanted).map(({ host }) => host);
  }

  cut(pairs: readonly (readonly [string, string])[], ms: number): void {
    // What was waiting for its moment came too late: nobody would end it.
    if (this.over) return;
    const { network } = this.options;
    for (const [from, to] of pairs) network.link(from, to).block();
    this.later(ms, () => {
      for (const [from, to] of pairs) network.link(from, to).unblock();
    });
  }

  get volumeAtStake(): boolean {
    // Every wanted member is a voter everywhere on a sound volume again.
    if (this.options.operator.settled && this.slots.every(({ spoilt }) => !spoilt))
      this.#volumeAtStake = false;
    return this.#volumeAtStake;
  }

  get #mayStake(): boolean {
    const { operator } = this.options;
    return !this.over && !this.volumeAtStake && operator.settled && operator.members >= 3;
  }

  /**
   * Waits a while until a volume may be harmed, so that the few such moments are shared by all faults that need one.
   * False: there is none soon, or somebody waits already to do the same.
   */
  async turn(fault: FaultName): Promise<boolean> {
    const { world } = this.options;
    if (this.#waiting.has(fault)) return false;
    this.#waiting.add(fault);
    for (let left = TURN_LOOKS; left > 0 && !this.over && !this.#mayStake; left--) await world.sleep(LOOK_MS);
    this.#waiting.delete(fault);
    return this.#mayStake;
  }

  /** True: this volume may be harmed, for all others are whole. */
  stake(slot: MemberSlot): boolean {
    const { operator } = this.options;
    if (!this.#mayStake) return false;
    this.#volumeAtStake = true;
    slot.spoilt = true;
    operator.unsettle();
    return true;
  }
}

/** Both directions between each of these and each of those. */
export function between(these: readonly string[], those: readonly string[]): [string, string][] {
  return these.flatMap((x) =>
    those.flatMap((y): [string, string][] => [
      [x, y],
      [y, x],
    ]),
  );
}
