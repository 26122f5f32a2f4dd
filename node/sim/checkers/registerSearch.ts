import { isDone, type Operation } from '../history/operations.ts';
import { type RegisterHistory, registerHistories } from './registers.ts';
import { broken, undecided, type Violation } from './violation.ts';

const NAME = 'linearizable registers';
/** Steps over all keys: a second or two. */
const MAX_STEPS = 2_000_000;

/**
 * Each cache key is a linearizable register: there is an order of its writes, deletions and linearizable reads that
 * respects real time and in which each answer is right. Searched key by key, as Wing and Gong do it, remembering
 * which states were tried (Lowe). What never came back may be put anywhere after its beginning, or left out; so may
 * the end of an entry that was put with a time to live.
 *
 * Values are unique, so what was read says which write it came from, and a write that never came back needs to be
 * considered only where its effect is seen: anywhere else it can as well be left out, or be put later.
 */
export function checkLinearizableRegisters(
  operations: readonly Operation[],
  maxSteps: number = MAX_STEPS,
): Violation[] {
  const violations: Violation[] = [];
  const budget = { steps: maxSteps };
  for (const register of registerHistories(operations)) {
    const violation = new Search(register, budget).run();
    if (violation !== null) violations.push(violation);
  }
  return violations;
}

type Write = Operation<'cachePut'>;
type Step = Operation<'cachePut'> | Operation<'cacheDelete'> | Operation<'cacheGet'>;

interface State {
  /** Null: absent. */
  readonly value: string | null;
  /** Of the last write; 0: none whose version is known. */
  readonly version: number;
  readonly expires: boolean;
}

interface Choice {
  readonly step: number;
  readonly after: State;
  /** The unanswered put that it takes, or `DELETION`; given back when the search turns round. */
  readonly used: number | null;
}
/** An unanswered deletion: they are all alike. */
const DELETION = -1;

interface Frame {
  readonly choice: Choice;
  readonly before: State;
}

class Search {
  readonly #key: string;
  /** What came back, by beginning. */
  readonly #steps: readonly Step[];
  /** What did not, by beginning: puts, and deletions, which are all alike. */
  readonly #openPuts: readonly Write[];
  readonly #openDeletes: readonly Operation<'cacheDelete'>[];
  readonly #openPutOf = new Map<string, number>();
  /** Values that some linearizable read gave. */
  readonly #read = new Set<string>();
  readonly #budget: { steps: number };

  readonly #taken: Uint8Array;
  readonly #usedPuts: Uint8Array;
  #usedDeletes = 0;
  #low = 0;
  #count = 0;

  constructor({ key, puts, deletes, gets }: RegisterHistory, budget: { steps: number }) {
    const reads = gets.filter((get) => get.call.level === 'linearizable').filter(isDone);
    const steps: Step[] = [...puts.filter(isDone), ...deletes.filter(isDone), ...reads];
    this.#key = key;
    this.#budget = budget;
    this.#steps = steps.sort(byBeginning);
    this.#openPuts = puts.filter(({ outcome }) => outcome === 'unknown').sort(byBeginning);
    this.#openDeletes = deletes.filter(({ outcome }) => outcome === 'unknown').sort(byBeginning);
    for (const [at, put] of this.#openPuts.entries()) this.#openPutOf.set(put.call.value, at);
    for (const { answer } of reads) if (answer?.value != null) this.#read.add(answer.value);
    this.#taken = new Uint8Array(this.#steps.length);
    this.#usedPuts = new Uint8Array(this.#openPuts.length);
  }

  run(): Violation | null {
    const tried = new Set<string>();
    const stack: Frame[] = [];
    let state: State = { value: null, version: 0, expires: false };
    let furthest: { count: number; state: State; low: number } = { count: -1, state, low: 0 };
    let choices = this.#choices(state);
    const pending: { choices: Choice[]; at: number }[] = [];
    let at = 0;
    for (;;) {
      if (this.#count === this.#steps.length) return null;
      if (this.#count > furthest.count) furthest = { count: this.#count, state, low: this.#low };
      const choice = choices[at++];
      if (choice === undefined) {
        const frame = stack.pop();
        const back = pending.pop();
        if (frame === undefined || back === undefined) return this.#refuted(furthest);
        this.#undo(frame.choice);
        state = frame.before;
        ({ choices, at } = back);
        continue;
      }
      if (--this.#budget.steps < 0) {
        return undecided(NAME, `key "${this.#key}": the search ran out of steps`);
      }
      this.#do(choice);
      const memo = this.#memo(choice.after);
      if (tried.has(memo)) {
        this.#undo(choice);
        continue;
      }
      tried.add(memo);
      stack.push({ choice, before: state });
      pending.push({ choices, at });
      state = choice.after;
      choices = this.#choices(state);
      at = 0;
    }
  }

  /** Everything that may come next. A step may if no other that is left was over before it began. */
  #choices(state: State): Choice[] {
    let deadline = Number.POSITIVE_INFINITY;
    const candidates: number[] = [];
    for (let i = this.#low; i < this.#steps.length; i++) {
      const step = this.#steps[i]!;
      if (step.invoked.order > deadline) break;
      if (this.#taken[i] === 1) continue;
      candidates.push(i);
      deadline = Math.min(deadline, step.completed!.order);
    }
    const choices: Choice[] = [];
    for (const step of candidates) {
      if (this.#steps[step]!.invoked.order > deadline) continue;
      const choice = this.#choice(step, state, deadline);
      if (choice === null) continue;
      // What changes nothing may as well come now: it only ever stands in the way of others.
      if (choice.after === state) return [choice];
      choices.push(choice);
    }
    return choices;
  }

  /** The state after this step, and the unanswered writes that it takes; null: it cannot come next. */
  #choice(step: number, state: State, deadline: number): Choice | null {
    const operation = this.#steps[step]!;
    if (operation.kind === 'cachePut') {
      const { version } = operation.answer!;
      if (version <= state.version) return null;
      return {
        step,
        after: { value: operation.call.value, version, expires: operation.call.ttlMs > 0 },
        used: null,
      };
    }
    if (operation.kind === 'cacheGet') {
      const { value, version } = operation.answer!;
      if (value === null) return this.#absent(step, state, deadline);
      if (value === state.value) return version === state.version ? { step, after: state, used: null } : null;
      const put = this.#openPutOf.get(value);
      if (put === undefined || !this.#eligible(put, deadline) || version <= state.version) return null;
      return { step, after: { value, version, expires: this.#openPuts[put]!.call.ttlMs > 0 }, used: put };
    }
    if (!operation.answer!.existed) return this.#absent(step, state, deadline);
    const after: State = { ...state, value: null, expires: false };
    if (state.value !== null) return { step, after, used: null };
    // Some unanswered put was there: one that stays would not serve to explain an absence later, so it goes first.
    const put = this.#unread(deadline, false) ?? this.#unread(deadline, true);
    return put === null ? null : { step, after, used: put };
  }

  /** Absent already, expired, deleted by an unanswered deletion, or replaced by an unanswered put that expired. */
  #absent(step: number, state: State, deadline: number): Choice | null {
    if (state.value === null) return { step, after: state, used: null };
    const after: State = { ...state, value: null, expires: false };
    if (state.expires) return { step, after, used: null };
    // All alike, and the one that began first is there for longest.
    const open = this.#openDeletes[this.#usedDeletes];
    if (open !== undefined && open.invoked.order <= deadline) return { step, after, used: DELETION };
    const put = this.#unread(deadline, true);
    return put === null ? null : { step, after, used: put };
  }

  /** An unanswered put that nobody read (one that was read has its place there), with or without a time to live. */
  #unread(deadline: number, expires: boolean): number | null {
    for (let put = 0; put < this.#openPuts.length; put++) {
      const { value, ttlMs } = this.#openPuts[put]!.call;
      if (ttlMs > 0 === expires && !this.#read.has(value) && this.#eligible(put, deadline)) return put;
    }
    return null;
  }

  #eligible(put: number, deadline: number): boolean {
    return this.#usedPuts[put] === 0 && this.#openPuts[put]!.invoked.order <= deadline;
  }

  #do({ step, used }: Choice): void {
    this.#taken[step] = 1;
    this.#count++;
    while (this.#taken[this.#low] === 1) this.#low++;
    if (used === DELETION) this.#usedDeletes++;
    else if (used !== null) this.#usedPuts[used] = 1;
  }

  #undo({ step, used }: Choice): void {
    this.#taken[step] = 0;
    this.#count--;
    if (step < this.#low) this.#low = step;
    if (used === DELETION) this.#usedDeletes--;
    else if (used !== null) this.#usedPuts[used] = 0;
  }

  /** The steps taken (all below `low`, and few above), what was used up, and the register. */
  #memo({ value, version, expires }: State): string {
    let taken = `${this.#low}`;
    let left = this.#count - this.#low;
    for (let i = this.#low; left > 0; i++) {
      if (this.#taken[i] === 0) continue;
      taken += `,${i}`;
      left--;
    }
    let used = '';
    for (let put = 0; put < this.#usedPuts.length; put++) if (this.#usedPuts[put] === 1) used += `,${put}`;
    return `${taken}|${used}|${this.#usedDeletes}|${version}|${expires ? 1 : 0}|${value === null ? '' : `=${value}`}`;
  }

  #refuted({ count, state, low }: { count: number; state: State; low: number }): Violation {
    const value = state.value === null ? 'absent' : `"${state.value}"`;
    return broken(
      NAME,
      `key "${this.#key}": no order explains the answers; at best ${count} of ${this.#steps.length} operations ` +
        `can be put in order, then the key is ${value} and none of these can follow`,
      this.#steps.slice(low, low + 6),
    );
  }
}

function byBeginning(a: Operation, b: Operation): number {
  return a.invoked.order - b.invoked.order;
}
