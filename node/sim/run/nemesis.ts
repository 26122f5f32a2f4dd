import { Arena, type ArenaOptions, type Blow } from './arena.ts';
import { clusterBlows } from './clusterBlows.ts';
import { diskBlows } from './diskBlows.ts';
import { machineBlows } from './machineBlows.ts';
import { networkBlows } from './networkBlows.ts';

/** Strikes at random for as long as the attack lasts, within what a cluster must survive; then makes all well again. */
export class Nemesis {
  readonly #arena: Arena;
  readonly #blows: readonly Blow[];
  #blowsStruck = 0;

  constructor(options: ArenaOptions) {
    const arena = new Arena(options);
    this.#arena = arena;
    const all = {
      ...networkBlows(arena),
      ...machineBlows(arena),
      ...diskBlows(arena),
      ...clusterBlows(arena),
    };
    this.#blows = [...options.plan.faults].map((name) => all[name]).filter((blow) => blow !== undefined);
  }

  get blowsStruck(): number {
    return this.#blowsStruck;
  }

  async attack(untilMs: number): Promise<void> {
    const { world, random, plan, note } = this.#arena.options;
    while (world.nowMs < untilMs) {
      // Blows come in bursts as well as evenly.
      await world.sleep(Math.min(plan.blowEveryMs * -Math.log(1 - random.unit()), 4 * plan.blowEveryMs));
      if (this.#blows.length === 0 || world.nowMs >= untilMs) continue;
      this.#blowsStruck += 1;
      const blow = random.pick(this.#blows);
      // Who was to be hit may be gone by then.
      void (async () => blow())().catch((error: unknown) => {
        note(`blow failed: ${error instanceof Error ? error.message : String(error)}`);
      });
    }
  }

  /** Everything that is broken is mended, and nothing breaks any more. */
  heal(): void {
    const { options, slots, clients, heldBack } = this.#arena;
    const { network, plan, note } = options;
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
      if (slot.wanted && !heldBack.has(slot)) slot.comeBack();
    }
    for (const { process } of clients) process.resume();
  }
}
