import type { LockModeName, ReadLevelName } from '@synccluster/client';
import type { AnswerOf, CallOf, LogPosition, Operation, OperationKind } from '../../history/operations.ts';
import { type OpenOperation, Recorder } from '../../history/recorder.ts';
import { Random } from '../../workload/random.ts';
import { ReferenceService, type ServiceBug } from './referenceService.ts';

/** An operation between its beginning and its end; the effect may come after the end, or never, if that is `unknown`. */
interface Pending<K extends OperationKind = OperationKind> {
  readonly client: number;
  readonly kind: K;
  readonly open: OpenOperation<K>;
  /** Null: it is refused. Done once; then `answer` holds what it gave. */
  effect: (() => AnswerOf<K> | null) | null;
  readonly isWrite: boolean;
  answer: AnswerOf<K> | null;
  refused: boolean;
  index: number;
  ended: boolean;
  readonly then: (answer: AnswerOf<K>) => void;
  /** What the service does about it when the client will never hear. */
  readonly orphaned: (answer: AnswerOf<K> | null) => void;
}

interface Holding {
  readonly client: number;
  readonly name: string;
  readonly token: number;
}

const KEYS = ['x', 'y'];
const LOCKS = ['l', 'm'];
const LEVELS: readonly ReadLevelName[] = ['linearizable', 'linearizable', 'session', 'any'];

/**
 * Histories that a correct service may leave, at random: every operation takes effect at one moment, somewhere after its
 * beginning; some are never answered, and some of those never happen. With a bug planted, histories that it may not.
 */
export class LegalWorld {
  readonly service: ReferenceService;
  readonly #random: Random;
  readonly #recorder: Recorder;
  readonly #clock;
  readonly #pending: Pending[] = [];
  readonly #holdings: Holding[] = [];
  readonly #deliveries: { queue: string; partition: number; message: number; delivery: number }[] = [];
  /** Answered with `ok`. */
  readonly #heard = new Set<Pending>();
  #nowMs = 0;
  #names = 0;
  /** By client: the highest index it has seen. */
  readonly #seen = new Map<number, number>();

  constructor(seed: number, bug: ServiceBug | null = null) {
    this.#random = new Random(seed);
    this.service = new ReferenceService(this.#random.fork(), bug);
    this.#recorder = new Recorder(() => this.#nowMs);
    this.#clock = { monotonicMs: () => this.#nowMs, wallMs: () => this.#nowMs };
  }

  run(steps: number): readonly Operation[] {
    for (let step = 0; step < steps; step++) this.#step();
    this.#settle();
    this.#audit();
    return this.#recorder.operations();
  }

  #step(): void {
    this.#nowMs++;
    const random = this.#random;
    const pending = this.#pending.length === 0 ? null : random.pick(this.#pending);
    switch (random.weighted({ begin: 5, go: 9, mark: 3, release: 1, lose: 0.3, fall: 1, forget: 0.2 })) {
      case 'begin':
        this.#begin();
        return;
      case 'go':
        if (pending !== null) this.#advance(pending);
        return;
      case 'lose':
        if (pending !== null && !pending.ended) this.#end(pending, () => pending.open.unknown('TIMEOUT'));
        return;
      case 'forget':
        // It was never answered, and now it never will have happened.
        if (pending?.ended === true) this.#drop(pending);
        return;
      case 'mark':
        if (this.#holdings.length > 0) this.#mark(random.pick(this.#holdings), true);
        return;
      case 'release':
        if (this.#holdings.length > 0) this.#giveUp(random.pick(this.#holdings));
        return;
      case 'fall':
        this.service.timePasses();
        return;
    }
  }

  #begin(): void {
    const random = this.#random;
    const client = random.between(1, 4);
    const kind = random.weighted({
      acquire: 2,
      enqueue: 4,
      receive: 3,
      settle: 3,
      put: 3,
      get: 5,
      remove: 1,
    });
    const { service } = this;
    switch (kind) {
      case 'acquire': {
        const call = {
          name: random.pick(LOCKS),
          mode: random.pick<LockModeName>(['shared', 'exclusive', 'exclusive']),
        };
        this.#invoke(
          client,
          'lockAcquire',
          { ...call, waitMs: 0 },
          true,
          () => service.acquire(client, call.name, call.mode),
          ({ token }) => {
            const holding = { client, name: call.name, token };
            this.#holdings.push(holding);
            this.#mark(holding, true);
          },
          // Its session ends.
          (answer) => {
            if (answer !== null) service.release(client, call.name, answer.token);
          },
        );
        return;
      }
      case 'enqueue': {
        const key = random.chance(0.7) ? random.pick(['k1', 'k2']) : null;
        const call = { queue: 'q', key, payload: this.#name(), delayMs: random.chance(0.2) ? 10 : 0 };
        this.#invoke(client, 'enqueue', call, true, () => service.enqueue(call.payload, key, call.delayMs));
        return;
      }
      case 'receive': {
        const call = { queue: 'q', max: random.between(1, 3), waitMs: 0, visibilityMs: 0 };
        this.#invoke(
          client,
          'receive',
          call,
          true,
          () => service.receive(call.max),
          ({ deliveries }) => {
            for (const { partition, message, delivery } of deliveries) {
              this.#deliveries.push({ queue: 'q', partition, message, delivery });
            }
          },
        );
        return;
      }
      case 'settle': {
        if (this.#deliveries.length === 0) return;
        const receipt = random.pick(this.#deliveries);
        if (random.chance(0.8)) this.#invoke(client, 'ack', receipt, true, () => service.ack(receipt));
        else this.#invoke(client, 'nack', { ...receipt, delayMs: 0 }, true, () => service.nack(receipt));
        return;
      }
      case 'put': {
        const call = { key: random.pick(KEYS), value: this.#name(), ttlMs: random.chance(0.2) ? 10 : 0 };
        this.#invoke(client, 'cachePut', call, true, () => service.put(call.key, call.value, call.ttlMs));
        return;
      }
      case 'remove': {
        const key = random.pick(KEYS);
        this.#invoke(client, 'cacheDelete', { key }, true, () => service.remove(key));
        return;
      }
      case 'get': {
        const call = { key: random.pick(KEYS), level: random.pick(LEVELS) };
        const seen = this.#seen.get(client) ?? 0;
        this.#invoke(client, 'cacheGet', call, false, () => service.get(call.key, call.level, seen));
        return;
      }
    }
  }

  #invoke<K extends OperationKind>(
    client: number,
    kind: K,
    call: CallOf<K>,
    isWrite: boolean,
    effect: () => AnswerOf<K> | null,
    then: (answer: AnswerOf<K>) => void = () => {},
    orphaned: (answer: AnswerOf<K> | null) => void = () => {},
  ): Pending<K> {
    const open = this.#recorder.invoke(client, this.#clock, kind, call);
    const pending: Pending<K> = {
      client,
      kind,
      open,
      effect,
      isWrite,
      answer: null,
      refused: false,
      index: 0,
      ended: false,
      then,
      orphaned,
    };
    this.#pending.push(pending as unknown as Pending);
    return pending;
  }

  /** A session's writes take effect in order; it shows with messages. */
  #isNext(pending: Pending): boolean {
    if (pending.kind !== 'enqueue') return true;
    const { client } = pending;
    return (
      pending ===
      this.#pending.find((one) => one.kind === 'enqueue' && one.client === client && one.effect !== null)
    );
  }

  /** One step on: the effect, or the answer. */
  #advance(pending: Pending): void {
    if (pending.effect !== null) {
      if (!this.#isNext(pending)) return;
      pending.answer = pending.effect();
      pending.effect = null;
      pending.refused = pending.answer === null;
      pending.index = this.service.shownIndex;
      if (pending.ended) this.#drop(pending);
      return;
    }
    this.#end(pending, () => {
      if (pending.refused) {
        pending.open.fail('CONFLICT');
        return;
      }
      // An answer that came with the second sending stands behind its effect.
      const resent = pending.isWrite && this.#random.chance(0.2);
      const index = resent ? this.service.duplicate() : pending.index;
      const at: LogPosition = { group: 1, index, resent };
      this.#seen.set(pending.client, Math.max(index, this.#seen.get(pending.client) ?? 0));
      this.#heard.add(pending);
      pending.open.ok(pending.answer!, at);
      pending.then(pending.answer!);
    });
  }

  #end(pending: Pending, how: () => void): void {
    pending.ended = true;
    how();
    // One without an answer may still take effect.
    if (pending.effect === null) this.#drop(pending);
  }

  #drop(pending: Pending): void {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
    if (!this.#heard.has(pending)) pending.orphaned(pending.answer);
  }

  #mark({ client, name, token }: Holding, held: boolean): void {
    this.#recorder.note(client, this.#clock, 'lockMark', { name, token }, { held });
  }

  /** Released in order, or lost: then the client knows before the service does. */
  #giveUp(holding: Holding): void {
    const { client, name, token } = holding;
    this.#holdings.splice(this.#holdings.indexOf(holding), 1);
    if (this.#random.chance(0.2)) {
      this.#mark(holding, false);
      this.#recorder.note(client, this.#clock, 'lockLost', { name, token }, {});
      this.service.release(client, name, token);
      return;
    }
    const release = (): AnswerOf<'lockRelease'> | null => this.service.release(client, name, token);
    this.#invoke(client, 'lockRelease', { name, token }, true, release, undefined, release);
  }

  #settle(): void {
    for (const holding of [...this.#holdings]) this.#giveUp(holding);
    while (this.#pending.length > 0) {
      this.#nowMs++;
      const pending = this.#random.pick(this.#pending);
      if (pending.ended && this.#random.chance(0.5)) this.#drop(pending);
      else this.#advance(pending);
      for (const holding of [...this.#holdings]) this.#giveUp(holding);
    }
  }

  #audit(): void {
    const now = <K extends OperationKind>(
      kind: K,
      call: CallOf<K>,
      effect: () => AnswerOf<K> | null,
    ): AnswerOf<K> => {
      const pending = this.#invoke(9, kind, call, true, effect);
      this.#advance(pending as unknown as Pending);
      const { answer } = pending;
      this.#advance(pending as unknown as Pending);
      if (answer === null) throw new Error(`the audit's ${kind} was refused`);
      return answer;
    };
    for (let round = 0; round < 1_000 && this.service.depth() > 0; round++) {
      this.service.timePasses();
      const call = { queue: 'q', max: 50, waitMs: 0, visibilityMs: 0 };
      const { deliveries } = now('receive', call, () => this.service.receive(50));
      for (const { partition, message, delivery } of deliveries) {
        const receipt = { queue: 'q', partition, message, delivery };
        now('ack', receipt, () => this.service.ack(receipt));
      }
    }
    now('queueInspect', { queue: 'q' }, () => this.service.inspect());
    for (const key of KEYS)
      now('cacheGet', { key, level: 'linearizable' }, () => this.service.get(key, 'linearizable', 0));
  }

  #name(): string {
    this.#names++;
    return `n${this.#names}`;
  }
}
