import type { ClockPlan } from '../world/process.ts';
import { SimProcess } from '../world/process.ts';
import type { World } from '../world/world.ts';

/** Where one client of the workload works; its process may die, and another one begins there. */
export class ClientMachine {
  readonly host: string;
  readonly #world: World;
  readonly #clock: ClockPlan;
  readonly #onRestart: () => void;
  #process: SimProcess;

  /** `onRestart`: another process is there, and everything of the last one is gone. */
  constructor(world: World, host: string, clock: ClockPlan, onRestart: () => void) {
    this.host = host;
    this.#world = world;
    this.#clock = clock;
    this.#onRestart = onRestart;
    this.#process = this.#newProcess();
  }

  get process(): SimProcess {
    return this.#process;
  }

  /** Nothing is closed and nothing given back. `silently`: nor does anybody tell the members that it is gone. */
  kill(silently: boolean): void {
    this.#process.die('killed', silently);
  }

  restart(): void {
    if (this.#process.alive) return;
    this.#process = this.#newProcess();
    this.#onRestart();
  }

  #newProcess(): SimProcess {
    return new SimProcess(this.#world, {
      name: this.host,
      random: this.#world.random.split(this.host),
      clock: this.#clock,
      onDeath: () => {},
      onUncaught: (error) => this.#world.fail(error),
    });
  }
}
