import {
  assignSlots,
  type Command,
  type Delivery,
  LockMode,
  Op,
  PushKind,
  type Receipt,
  WAIT_FOREVER,
} from '@synccluster/client/protocol';
import type { Outcome, PushEvent } from '../index.ts';
import * as make from './commands.ts';
import type { Random } from './random.ts';

/** Makes up commands as clients would that know what they were answered, and some that know nothing. */
abstract class Workload {
  protected readonly random: Random;
  readonly sessions: number[] = [];
  readonly #lastSeq = new Map<number, number>();
  readonly #sent: Command[] = [];
  constructor(random: Random) {
    this.random = random;
  }

  protected abstract body(): Command;
  protected abstract learnt(command: Command, outcome: Outcome): void;

  next(): Command {
    const { random } = this;
    if (this.sessions.length < 2 || random.chance(3)) return make.open(1000 + random.below(9000));
    if (random.chance(1)) return make.close(random.pick(this.sessions));
    if (random.chance(1)) return make.expireSessions(random.pick(this.sessions), 1 + random.below(50));
    if (random.chance(8)) return make.expire();
    if (random.chance(1)) return make.featureLevel(1 + random.below(5));
    if (random.chance(8) && this.#sent.length > 0) return random.pick(this.#sent.slice(-20));
    const command = this.body();
    const session = command[2];
    if (session === 0 || random.chance(20)) return command;
    const seq = (this.#lastSeq.get(session) ?? 0) + (random.chance(3) ? 2 : 1);
    const floor = Math.max(1, seq - random.below(12));
    const sent = make.numbered(command, seq, floor);
    this.#sent.push(sent);
    return sent;
  }

  protected session(): number {
    return this.random.pick(this.sessions);
  }

  observe(command: Command, outcome: Outcome, _pushes: readonly PushEvent[]): void {
    if (!outcome.ok && outcome.code === 'SESSION_EXPIRED') return;
    if (!outcome.ok && outcome.code === 'SEQUENCE_GAP') {
      // Another command will have that number.
      if (this.#sent.at(-1) === command) this.#sent.pop();
      return;
    }
    const [op, , session, seq] = command;
    if (seq > (this.#lastSeq.get(session) ?? 0)) this.#lastSeq.set(session, seq);
    if (op === Op.SessionOpen && outcome.ok) this.sessions.push(outcome.value[0] as number);
    else if (op === Op.SessionClose) this.#forget(session);
    else if (op === Op.SessionExpire) for (const id of command[5]) this.#forget(id);
    else this.learnt(command, outcome);
  }

  #forget(session: number): void {
    const at = this.sessions.indexOf(session);
    if (at >= 0) this.sessions.splice(at, 1);
  }
}

export class CoordinationWorkload extends Workload {
  readonly #holds: (readonly [session: number, name: string, token: number])[] = [];
  readonly #waits = new Map<number, readonly [session: number, name: string]>();
  readonly #names = ['a', 'b', '7', 'ü'];
  #version = 0;
  #member = 10;

  protected override body(): Command {
    const { random } = this;
    const choice = random.below(100);
    if (choice < 50) {
      const mode = random.chance(50) ? LockMode.Shared : LockMode.Exclusive;
      const waitMs = random.pick([0, WAIT_FOREVER, 1 + random.below(400)]);
      return make.acquire(random.chance(2) ? 0 : this.session(), random.pick(this.#names), mode, waitMs);
    }
    if (choice < 80 && this.#holds.length > 0) {
      const [session, name, token] = this.#holds.splice(random.below(this.#holds.length), 1)[0]!;
      return make.release(session, name, token);
    }
    if (choice < 85 && this.#waits.size > 0) {
      const [waiter, [session]] = random.pick([...this.#waits]);
      return make.cancel(random.chance(10) ? this.session() : session, waiter);
    }
    const queue = `q${random.below(3)}`;
    if (choice < 90) return make.declare(queue, [1 + random.below(2), 1000]);
    if (choice < 93) return make.undeclare(queue);
    if (this.#version === 0 || choice < 94) return make.genesis('cluster', 3, 1, 0);
    if (choice < 95) return make.recover(`cluster-${random.below(4)}`, 1 + random.below(this.#member), 0);
    const target = random.pick(['learner', 'voter', 'removed'] as const);
    const id = random.chance(50) ? this.#member++ : 1 + random.below(this.#member);
    return make.rosterChange(this.#version - (random.chance(10) ? 1 : 0), [id, random.below(5), target]);
  }

  protected override learnt(command: Command, outcome: Outcome): void {
    if (!outcome.ok) return;
    if (command[0] === Op.Genesis) this.#version = 1;
    if (command[0] === Op.RosterChange || command[0] === Op.Recover)
      this.#version = outcome.value[0] as number;
    if (command[0] !== Op.LockAcquire) return;
    const [token, waiter] = outcome.value as readonly [number, number];
    if (token > 0) this.#holds.push([command[2], command[5], token]);
    else this.#waits.set(waiter, [command[2], command[5]]);
  }

  override observe(command: Command, outcome: Outcome, pushes: readonly PushEvent[]): void {
    super.observe(command, outcome, pushes);
    for (const { session, push } of pushes) {
      if (push[0] !== PushKind.LockGranted) continue;
      const wait = this.#waits.get(push[1]);
      if (wait !== undefined) this.#holds.push([session, wait[1], push[2]]);
      if (this.random.chance(80)) this.#waits.delete(push[1]);
    }
  }
}

export class DataWorkload extends Workload {
  readonly #receipts: (readonly [queue: string, receipt: Receipt])[] = [];
  readonly #keys = ['a', 'b', '7', '__proto__'];
  readonly #payload = new Uint8Array(4096);
  #started = 0;
  #generation = 0;

  protected override body(): Command {
    const { random } = this;
    if (this.#started++ === 0) return make.assign();
    if (this.#started <= 4) return make.configure(`q${this.#started - 2}`, ++this.#generation, [3, 300]);
    const queue = `q${random.below(3)}`;
    const session = random.chance(30) ? 0 : this.session();
    const choice = random.below(100);
    if (choice < 35) {
      const messages = Array.from({ length: 1 + random.below(3) }, () => {
        const at = random.below(4000);
        this.#payload.fill(random.below(256), at, at + 40);
        const payload = this.#payload.slice(at, at + random.below(40));
        return [payload, random.chance(20) ? 1 + random.below(300) : 0] as const;
      });
      return make.enqueue(session, queue, random.below(3), ...messages);
    }
    if (choice < 60) return make.dequeue(session, queue, 1 + random.below(4), random.pick([0, 100, 250]));
    if (choice < 80 && this.#receipts.length > 0) return this.#settle();
    if (choice < 92)
      return make.put(random.pick(this.#keys), this.#payload.slice(0, random.below(9)), random.pick([0, 90]));
    if (choice < 97) return make.remove(random.pick(this.#keys));
    if (random.chance(3)) return make.recover('cluster', 1, 0);
    if (choice < 98) {
      const table = assignSlots(1);
      for (let i = 0; i < 100; i++) table[random.below(table.length)] = 1 + random.below(2);
      return make.assign(random.below(6), 1, table);
    }
    this.#generation += random.below(2);
    return make.configure(queue, this.#generation, random.chance(30) ? null : [1 + random.below(3), 300]);
  }

  #settle(): Command {
    const { random } = this;
    const [queue, receipt] = this.#receipts.splice(random.below(this.#receipts.length), 1)[0]!;
    if (random.chance(20)) this.#receipts.push([queue, receipt]);
    const choice = random.below(10);
    if (choice < 6) return make.ack(queue, receipt, ...(random.chance(5) ? [receipt] : []));
    return choice < 8 ? make.nack(queue, random.pick([0, 80]), receipt) : make.extend(queue, 500, receipt);
  }

  protected override learnt(command: Command, outcome: Outcome): void {
    if (!outcome.ok || command[0] !== Op.QueueDequeue) return;
    for (const [partition, id, delivery] of (outcome.value as [readonly Delivery[]])[0]) {
      this.#receipts.push([command[5], [partition, id, delivery]]);
    }
  }
}
