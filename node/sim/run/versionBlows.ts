import type { MemberSlot } from '../world/slot.ts';
import { NEXT, PREVIOUS } from '../world/versions.ts';
import type { Arena } from './arena.ts';
import type { FaultName } from './plan.ts';

/** Faults under which members are replaced, or come and go: whoever keeps the level down may be gone. */
const REPLACING: readonly FaultName[] = [
  'lostVolume',
  'bitRot',
  'misdirectedWrite',
  'diskError',
  'forcedRecovery',
  'scale',
  'cutAtChange',
];
/** By then no leader takes a member for what it was before it was set back: links that are silent are dropped. */
const FORGOTTEN_MS = 15_000;
/** In time. Each makes the roll wait. */
const SET_BACKS = 2;
/** For a restart in order; after that the process is killed. */
const START_MS = 10_000;

/**
 * The roll from one version to the next: member after member is restarted as the next one, some are set back while no
 * group can have been raised yet, and some when all have been, which must then not run.
 */
export class Roll {
  readonly #arena: Arena;
  readonly #mayTurnBack: boolean;
  /** Ran as the next version at some time. */
  readonly #touched = new Set<MemberSlot>();
  #moving = false;
  #setBackMs = Number.NEGATIVE_INFINITY;
  #setBacks = 0;
  #finished = false;

  constructor(arena: Arena) {
    this.#arena = arena;
    const { faults } = arena.options.plan;
    this.#mayTurnBack = !REPLACING.some((fault) => faults.has(fault));
    this.#finished = !faults.has('versions');
  }

  /** Everything that runs is the next version. */
  get finished(): boolean {
    return this.#finished;
  }

  /** So many positions are not of the next version yet. */
  get left(): number {
    return this.#finished ? 0 : this.#arena.slots.filter(({ features }) => features !== NEXT).length;
  }

  /** One step, forwards or back. */
  async step(): Promise<boolean> {
    const { random, slots, options } = this.#arena;
    const wanted = slots.filter((slot) => slot.wanted);
    if (this.#moving || wanted.length === 0) return false;
    const old = wanted.filter(({ features }) => features === PREVIOUS);
    const next = wanted.filter(({ features }) => features === NEXT);
    // As long as one was never updated, nothing can have been raised.
    const untouched = old.filter((slot) => !this.#touched.has(slot));
    if (old.length === 0) {
      const slot = random.pick(next);
      return isRaised(slot, options.plan.shards) && this.#move(slot, PREVIOUS, 'too late');
    }
    const mayTurnBack = this.#mayTurnBack && this.#setBacks < SET_BACKS;
    if (next.length > 0 && untouched.length > 0 && mayTurnBack && random.chance(0.3)) {
      this.#setBacks += 1;
      const slot = random.pick(next);
      const moved = await this.#move(slot, PREVIOUS, 'in time');
      this.#setBackMs = options.world.nowMs;
      return moved;
    }
    const settled = options.world.nowMs - this.#setBackMs > FORGOTTEN_MS;
    const may = old.filter((slot) => settled || this.#touched.has(slot) || untouched.length > 1);
    return may.length > 0 && this.#move(random.pick(may), NEXT, '');
  }

  /** Updates all that is left, in an order in which nothing is raised above anybody. */
  async finish(): Promise<void> {
    const { slots, options } = this.#arena;
    while (this.#moving) await options.world.sleep(100);
    for (const slot of slots) if (!slot.wanted) slot.features = NEXT;
    const left = slots.filter((slot) => slot.features !== NEXT);
    const rest = left.filter((slot) => !this.#touched.has(slot));
    for (const slot of [...left.filter((one) => !rest.includes(one)), ...rest]) {
      await this.#move(slot, NEXT, '');
      const dueMs = options.world.nowMs + START_MS;
      while (slot.wanted && !runs(slot) && options.world.nowMs < dueMs) await options.world.sleep(100);
    }
    this.#finished = true;
  }

  async #move(slot: MemberSlot, features: typeof NEXT, why: string): Promise<boolean> {
    const { world } = this.#arena.options;
    this.#arena.note(`${slot.host} becomes the ${features === NEXT ? 'next' : 'previous'} version ${why}`);
    this.#moving = true;
    slot.features = features;
    if (features === NEXT) this.#touched.add(slot);
    try {
      await Promise.race([slot.restart(), world.sleep(START_MS)]).catch(() => {});
      // It may have hung, or have been about to start as what it was.
      if (slot.process !== null && !runs(slot)) slot.kill('to be another version');
    } finally {
      this.#moving = false;
    }
    return true;
  }
}

function runs({ running, features }: MemberSlot): boolean {
  return running !== null && running.member.options.features === features;
}

/** The member is in all groups, and has applied that they are above what the previous version knows. */
function isRaised({ running }: MemberSlot, shards: number): boolean {
  const groups = [...(running?.member.groups.values() ?? [])];
  return (
    groups.length === shards + 1 && groups.every(({ machine }) => machine.featureLevel() > PREVIOUS.level)
  );
}
