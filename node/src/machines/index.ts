import { COORDINATION_GROUP } from '@synccluster/client/protocol';
import { CoordinationMachine } from './coordination.ts';
import { DataMachine } from './data.ts';
import type { MachineOptions } from './machine.ts';

export { CoordinationMachine } from './coordination.ts';
export { DataMachine } from './data.ts';
export { FEATURES, type Features, serves, TooOldError } from './features.ts';
export { InvariantError } from './invariant.ts';
export type {
  FrozenState,
  Machine,
  MachineOptions,
  Outcome,
  PushEvent,
  SnapshotRecord,
} from './machine.ts';

/** The machine of a group: coordination for group 0, data for all others. */
export function createMachine(options: MachineOptions): CoordinationMachine | DataMachine {
  return options.group === COORDINATION_GROUP ? new CoordinationMachine(options) : new DataMachine(options);
}
