import {
  type Command,
  type Delivery,
  type GroupId,
  type LogIndex,
  type Push,
  type Query,
  refuseCommand,
  type StampMs,
} from '@synccluster/client/protocol';
import { pack, unpack } from '@synccluster/client/wire';
import {
  type CoordinationMachine,
  createMachine,
  type DataMachine,
  FEATURES,
  type Features,
  type Machine,
  type Outcome,
  type SnapshotRecord,
} from '../index.ts';

/** One machine with a clock of its own, fed as a driver feeds it: only what the validation lets through. */
export class World<M extends Machine = Machine> {
  readonly machine: M;
  stampMs: number;
  index = 0;
  constructor(machine: M, stampMs = 1_000_000) {
    this.machine = machine;
    this.stampMs = stampMs;
  }

  run(command: Command): Outcome {
    const refusal = refuseCommand(command);
    if (refusal !== null) throw new Error(`invalid in a test: ${refusal.message}`);
    return this.machine.apply(command, this.stampMs as StampMs, ++this.index as LogIndex);
  }

  /** Runs what must succeed and gives its value. */
  ok(command: Command): readonly unknown[] {
    const outcome = this.run(command);
    if (!outcome.ok) throw new Error(`${outcome.code}: ${outcome.message}`);
    return outcome.value;
  }

  /** Runs what must fail and gives its code. */
  code(command: Command): string {
    const outcome = this.run(command);
    return outcome.ok ? `ok ${JSON.stringify(outcome.value)}` : outcome.code;
  }

  ask(query: Query): readonly unknown[] {
    const outcome = this.machine.query(query);
    if (outcome === null || !outcome.ok) throw new Error(JSON.stringify(outcome));
    return outcome.value;
  }

  number(command: Command): number {
    return this.ok(command)[0] as number;
  }

  deliveries(command: Command): readonly Delivery[] {
    return this.ok(command)[0] as readonly Delivery[];
  }

  pushes(): (readonly [session: number, push: Push])[] {
    return this.machine.takePushes().map(({ session, push }) => [session, push] as const);
  }
}

/** A version that takes part at whatever level. */
export const ANY_LEVEL: Features = { ...FEATURES, level: 65_535 };

export function coordination(features = ANY_LEVEL) {
  return new World(createMachine({ group: 0 as GroupId, features }) as CoordinationMachine);
}
export function data(group = 1, features = ANY_LEVEL) {
  return new World(createMachine({ group: group as GroupId, features }) as DataMachine);
}

/** A record as it comes back from disk or another member. */
export function copied(record: SnapshotRecord): SnapshotRecord {
  return unpack(pack(record)) as SnapshotRecord;
}

export function snapshotOf(machine: Machine): SnapshotRecord[] {
  const frozen = machine.freeze();
  const records: SnapshotRecord[] = [];
  for (let record = frozen.next(); record !== null; record = frozen.next()) records.push(copied(record));
  frozen.release();
  return records;
}

export function restored(records: readonly SnapshotRecord[], group: number, features = ANY_LEVEL): Machine {
  const machine = createMachine({ group: group as GroupId, features });
  machine.restore(records);
  return machine;
}
