import { spoilsInUse } from '../world/spoil.ts';
import { Arena, type ArenaOptions, type Blow } from './arena.ts';
import { clusterBlows } from './clusterBlows.ts';
import { diskBlows } from './diskBlows.ts';
import { leaseBlows } from './leaseBlows.ts';
import { machineBlows } from './machineBlows.ts';
import { networkBlows } from './networkBlows.ts';
import type { FaultName } from './plan.ts';
import { Roll } from './versionBlows.ts';

/** Strikes at random for as long as the attack lasts, within what a cluster must survive; then makes all well again. */
export class Nemesis {
  readonly #arena: Arena;
  readonly #roll: Roll;
  readonly #blows: readonly (readonly [name: FaultName, blow: Blow])[];

  constructor(options: ArenaOptions) {
    const arena = new Arena(options);
    this.#arena = arena;
    this.#roll = new Roll(arena);
    const all: Partial<Record<FaultName, Blow>> = {
      ...networkBlows(arena),
      ...machineBlows(arena),
      ...diskBlows(arena),
      ...clusterBlows(arena),
      ...leaseBlows(arena),
      versions: () => this.#roll.step(),
    };
    this.#blows = [...options.plan.faults].flatMap((name) => {
      const blow = all[name];
      return blow === undefined ? [] : [[name, blow] as const];
    });
  }

  async attack(untilMs: number): Promise<void> {
    const arena = this.#arena;
    const { world, random, plan, note } = arena.options;
    for (const { ordinal, byMs, fromStart } of plan.wildClocks) {
      if (!fromStart) arena.slots[ordinal]?.shiftWall(byMs);
      arena.struck('wildClock');
    }
    while (world.nowMs < untilMs) {
      // Blows come in bursts as well as evenly.
      await world.sleep(Math.min(plan.blowEveryMs * -Math.log(1 - random.unit()), 4 * plan.blowEveryMs));
      if (this.#blows.length === 0 || world.nowMs >= untilMs) continue;
      const [name, blow] = random.pick(this.#blows);
      const strike = async (): Promise<void> => {
        if ((await blow()) !== false) arena.struck(name);
      };
      // Who was to be hit may be gone by then.
      void strike().catch((error: unknown) => {
        note(`blow failed: ${error instanceof Error ? error.message : String(error)}`);
      });
    }
  }

  /** How many wait for a forced recovery to be through. */
  get heldBack(): number {
    return this.#arena.heldBack.size;
  }

  /** Members that are yet to be restarted in order; one may be about to stop. */
  get restarts(): number {
    const { faults } = this.#arena.options.plan;
    return this.#roll.left + (faults.has('restart') || faults.has('versions') ? 1 : 0);
  }

  /** After healing: all members are of the newest version. */
  get rolled(): boolean {
    return this.#roll.finished;
  }

  /** Everything that is broken is mended, and nothing breaks any more. */
  heal(): void {
    const { options, slots, clients, heldBack } = this.#arena;
    const { network, operator, plan, note } = options;
    this.#arena.over = true;
    note('heals');
    network.heal();
    const faults = plan.messageFaults;
    faults.loss = 0;
    faults.duplication = 0;
    faults.reordering = 0;
    for (const slot of slots) {
      const { disk } = slot;
      disk.failNext.read = 0;
      disk.failNext.write = 0;
      disk.failNext.sync = 0;
      disk.foreignBytes = 0;
      disk.slowness = 1;
      slot.process?.dieAfterEffects(Number.POSITIVE_INFINITY);
      // Rot that lies where nobody has looked is to be found before all counts as well: a start looks everywhere.
      if (slot.wanted && spoilsInUse(disk).length > 0) slot.kill('to read again what is spoilt');
      if (slot.wanted && !heldBack.has(slot)) slot.comeBack();
    }
    for (const { process } of clients) process.resume();
    // Members that were just killed have yet to be missed.
    operator.unsettle();
    if (!this.#roll.finished) {
      this.#roll.finish().catch((error: unknown) => options.world.fail(error));
    }
  }
}
