import type { Applied, Installed, Observation } from '../history/observations.ts';
import type { MemberLogs } from './memberLogs.ts';
import { misbehaved, type Violation } from './violation.ts';

const NAME = 'equal state at equal index';

type Hashed = Applied | Installed;

/** Members that have applied the same index have the same state, whether by entries or by a snapshot. */
export class StateHashes {
  readonly #logs: MemberLogs;
  readonly #byGroup = new Map<number, Map<number, Hashed>>();

  constructor(logs: MemberLogs) {
    this.#logs = logs;
  }

  observe(observation: Observation): Violation[] {
    if (observation.kind === 'recovered') {
      for (const [group, hashes] of this.#byGroup) {
        const { lastIndex } = this.#logs.of(observation.member, group);
        for (const index of [...hashes.keys()]) if (index > lastIndex) hashes.delete(index);
      }
      return [];
    }
    if (observation.kind !== 'applied' && observation.kind !== 'installed') return [];
    const { member, group, index, stateHash } = observation;
    if (stateHash === null) return [];
    let hashes = this.#byGroup.get(group);
    if (hashes === undefined) {
      hashes = new Map();
      this.#byGroup.set(group, hashes);
    }
    const other = hashes.get(index);
    if (other === undefined) {
      hashes.set(index, observation);
      return [];
    }
    if (other.stateHash === stateHash) return [];
    const what = `members ${other.member} and ${member} differ in the state of group ${group} at index ${index}`;
    return [misbehaved(NAME, what, [other, observation])];
  }
}
