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
 * Much need not be tried. Values are unique and versions rise, so the writes whose version is known have their order,
 * and none may come while its predecessor's value is still to be read. What changes nothing may come as soon as it can.
 * Of several that do the same, the one that was over first goes first. And a write that never came back is considered
 * only where its effect is seen: anywhere else it can as well be left out, or be put later.
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

type Step = Operation<'cachePut'> | Operation<'cacheDelete'> | Operation<'cacheGet'>;

interface State {
  /** Null: absent. */
  readonly value: string | null;
  /** Of the last write whose version is known; 0: none. */
  readonly version: number;
  readonly expires: boolean;
}

/** Unanswered operations that explain something without having been read themselves: of a kind they are all alike. */
const SPARE = ['deletion', 'lasting put', 'ending put'] as const;
type Spare = (typeof SPARE)[number];

interface Choice {
  readonly step: number;
  readonly after: State;
  /** The spare that it takes, given back when the search turns round. */
  readonly spare: Spare | null;
}
interface Frame {
  readonly choice: Choice;
  readonly before: State;
  readonly others: readonly Choice[];
  readonly next: number;
}

class Search {
  readonly #key: string;
  /** What came back, by beginning. */
  readonly #steps: readonly Step[];
  /** Puts that never came back, and were read. */
  readonly #revealed = new Map<string, Operation<'cachePut'>>();
  /** By beginning: the first of a kind is there for longest, so it is used first. */
  readonly #spares: Readonly<Record<Spare, readonly Operation[]>>;
  /** The version after each, of those that must come; the first follows 0. */
  readonly #following = new Map<number, number>();
  readonly #budget: { steps: number };

  readonly #taken: Uint8Array;
  readonly #used: Record<Spare, number> = { deletion: 0, 'lasting put': 0, 'ending put': 0 };
  /** Reads of each value that are not taken. */
  readonly #unread = new Map<string, number>();
  #low = 0;
  #count = 0;

  constructor({ key, puts, deletes, gets }: RegisterHistory, budget: { steps: number }) {
    const reads = gets.filter((get) => get.call.level === 'linearizable').filter(isDone);
    const written = puts.filter(isDone);
    const steps: Step[] = [...written, ...deletes.filter(isDone), ...reads];
    this.#key = key;
    this.#budget = budget;
    this.#steps = steps.sort(byBeginning);
    this.#taken = new Uint8Array(this.#steps.length);
    const versions = new Set<number>(written.map(({ answer }) => answer.version));
    for (const { answer } of reads) {
      if (answer.value === null) continue;
      this.#unread.set(answer.value, (this.#unread.get(answer.value) ?? 0) + 1);
      versions.add(answer.version);
    }
    let last = 0;
    for (const version of [...versions].sort((a, b) => a - b)) {
      // Versions begin above 0; what has none comes after nothing.
      if (version === 0) continue;
      this.#following.set(last, version);
      last = version;
    }
    const open = puts.filter(({ outcome }) => outcome === 'unknown').sort(byBeginning);
    for (const put of open) if (this.#unread.has(put.call.value)) this.#revealed.set(put.call.value, put);
    const unseen = open.filter(({ call }) => !this.#unread.has(call.value));
    this.#spares = {
      deletion: deletes.filter(({ outcome }) => outcome === 'unknown').sort(byBeginning),
      'lasting put': unseen.filter(({ call }) => call.ttlMs === 0),
      'ending put': unseen.filter(({ call }) => call.ttlMs > 0),
    };
  }

  run(): Violation | null {
    const tried = new Set<string>();
    const stack: Frame[] = [];
    let state: State = { value: null, version: 0, expires: false };
    let furthest: { count: number; state: State; low: number } = { count: -1, state, low: 0 };
    let choices = this.#choices(state);
    let next = 0;
    for (;;) {
      if (this.#count === this.#steps.length) return null;
      if (this.#count > furthest.count) furthest = { count: this.#count, state, low: this.#low };
      const choice = choices[next++];
      if (choice === undefined) {
        const frame = stack.pop();
        if (frame === undefined) return this.#refuted(furthest);
        this.#undo(frame.choice);
        ({ before: state, others: choices, next } = frame);
        continue;
      }
      if (--this.#budget.steps < 0) {
        return undecided(NAME, `key "${this.#key}": the search ran out of steps`);
      }
      this.#do(choice);
      // Only where there was a choice can two ways lead to one state.
      if (choices.length > 1) {
        const memo = this.#memo(choice.after);
        if (tried.has(memo)) {
          this.#undo(choice);
          continue;
        }
        tried.add(memo);
      }
      stack.push({ choice, before: state, others: choices, next });
      state = choice.after;
      choices = this.#choices(state);
      next = 0;
    }
  }

  /** Everything that may come next. A step may if no other that is left was over before it began. */
  #choices(state: State): readonly Choice[] {
    let deadline = Number.POSITIVE_INFINITY;
    const candidates: Step[] = [];
    const places: number[] = [];
    for (let i = this.#low; i < this.#steps.length; i++) {
      const step = this.#steps[i]!;
      if (step.invoked.order > deadline) break;
      if (this.#taken[i] === 1) continue;
      candidates.push(step);
      places.push(i);
      deadline = Math.min(deadline, step.completed!.order);
    }
    const choices = new Map<string, Choice>();
    const overFirst = new Map<string, number>();
    for (const [at, step] of candidates.entries()) {
      if (step.invoked.order > deadline) continue;
      const choice = this.#choice(places[at]!, state, deadline);
      if (choice === null) continue;
      if (choice.after === state) return [choice];
      // The value would never come back for those who are still to read it.
      if (state.value !== null && (this.#unread.get(state.value) ?? 0) > 0) continue;
      const alike = step.kind === 'cacheDelete' && step.answer!.existed ? 'deletes' : kindOfChange(choice);
      const over = step.completed!.order;
      if (over > (overFirst.get(alike) ?? Number.POSITIVE_INFINITY)) continue;
      overFirst.set(alike, over);
      choices.set(alike, choice);
    }
    return [...choices.values()];
  }

  /** The state after this step, and the spare that it takes; null: it cannot come next. */
  #choice(step: number, state: State, deadline: number): Choice | null {
    const operation = this.#steps[step]!;
    if (operation.kind === 'cachePut') {
      return this.#write(step, operation, operation.answer!.version, state);
    }
    if (operation.kind === 'cacheGet') {
      const { value, version } = operation.answer!;
      if (value === null) return this.#absent(step, state, deadline);
      if (value === state.value)
        return version === state.version ? { step, after: state, spare: null } : null;
      const put = this.#revealed.get(value);
      return put === undefined || put.invoked.order > deadline
        ? null
        : this.#write(step, put, version, state);
    }
    if (!operation.answer!.existed) return this.#absent(step, state, deadline);
    const after: State = { ...state, value: null, expires: false };
    if (state.value !== null) return { step, after, spare: null };
    // Some unanswered put was there: one that lasts would not serve to explain an absence later, so it goes first.
    const spare = this.#spare('lasting put', deadline) ?? this.#spare('ending put', deadline);
    return spare === null ? null : { step, after, spare };
  }

  #write(step: number, put: Operation<'cachePut'>, version: number, state: State): Choice | null {
    if (this.#following.get(state.version) !== version) return null;
    return { step, after: { value: put.call.value, version, expires: put.call.ttlMs > 0 }, spare: null };
  }

  /** Absent already, expired, deleted by an unanswered deletion, or replaced by an unanswered put that expired. */
  #absent(step: number, state: State, deadline: number): Choice | null {
    if (state.value === null) return { step, after: state, spare: null };
    const after: State = { ...state, value: null, expires: false };
    if (state.expires) return { step, after, spare: null };
    const spare = this.#spare('deletion', deadline) ?? this.#spare('ending put', deadline);
    return spare === null ? null : { step, after, spare };
  }

  /** The kind itself if one of it is left that had begun. */
  #spare(kind: Spare, deadline: number): Spare | null {
    const first = this.#spares[kind][this.#used[kind]];
    return first !== undefined && first.invoked.order <= deadline ? kind : null;
  }

  #do({ step, spare }: Choice): void {
    this.#taken[step] = 1;
    this.#count++;
    while (this.#taken[this.#low] === 1) this.#low++;
    if (spare !== null) this.#used[spare]++;
    this.#readers(step, -1);
  }

  #undo({ step, spare }: Choice): void {
    this.#taken[step] = 0;
    this.#count--;
    if (step < this.#low) this.#low = step;
    if (spare !== null) this.#used[spare]--;
    this.#readers(step, 1);
  }

  #readers(step: number, change: number): void {
    const operation = this.#steps[step]!;
    const value = operation.kind === 'cacheGet' ? operation.answer!.value : null;
    if (value !== null) this.#unread.set(value, this.#unread.get(value)! + change);
  }

  /** The steps taken (all below `low`, and few above), the spares used, and the register. */
  #memo({ value, version, expires }: State): string {
    let taken = `${this.#low}`;
    let left = this.#count - this.#low;
    for (let i = this.#low; left > 0; i++) {
      if (this.#taken[i] === 0) continue;
      taken += `,${i}`;
      left--;
    }
    const used = SPARE.map((kind) => this.#used[kind]).join();
    // The version says which value it is, if any.
    return `${taken}|${used}|${version}|${value !== null}|${expires}`;
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

/** What makes steps alike: the next version, or an absence. */
function kindOfChange({ after }: Choice): string {
  return after.value === null ? 'absence' : 'write';
}

function byBeginning(a: Operation, b: Operation): number {
  return a.invoked.order - b.invoked.order;
}
