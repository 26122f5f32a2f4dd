import {
  COORDINATION_GROUP,
  type GroupId,
  Op,
  type QueueConfig,
  type QueueConfigure,
  type SlotsAssign,
} from '@synccluster/client/protocol';
import type { CoordinationMachine, DataMachine, Outcome } from '../machines/index.ts';
import { internal } from './duties.ts';
import type { Group } from './group.ts';

/** Submits a command to whichever member leads the group. */
export type SubmitAnywhere = (group: GroupId, command: QueueConfigure | SlotsAssign) => Promise<Outcome>;

interface Held {
  readonly generation: number;
  readonly dueMs: number;
  readonly send: () => void;
}

/** A declare is answered after this at the latest, configured everywhere or not: the driver goes on meanwhile. */
const HOLD_MS = 5_000;

/**
 * Run by group 0's leader: brings the slot table and every queue's configuration into the data groups. The
 * commands are idempotent and numbered, so a new leader starts over from what its own replicas show, and a
 * repeated one changes nothing.
 */
export class CatalogueDriver {
  readonly #groups: ReadonlyMap<GroupId, Group>;
  readonly #submit: SubmitAnywhere;
  /** Highest generation known to be committed, by `group/queue`; only what this leader saw itself. */
  readonly #confirmed = new Map<string, number>();
  readonly #busy = new Set<string>();
  #held: Held[] = [];

  constructor(groups: ReadonlyMap<GroupId, Group>, submit: SubmitAnywhere) {
    this.#groups = groups;
    this.#submit = submit;
  }

  /** Keeps back the reply to a declaration until the data groups know the queue. */
  hold(generation: number, nowMs: number, send: () => void): void {
    this.#held.push({ generation, dueMs: nowMs + HOLD_MS, send });
  }

  /** Cheap when there is nothing to do; called in every pass and at every tick. */
  run(nowMs: number): void {
    const coordination = this.#groups.get(COORDINATION_GROUP);
    if (coordination?.isLeader !== true) {
      this.#confirmed.clear();
      this.#release(() => true);
      return;
    }
    const machine = coordination.machine as CoordinationMachine;
    if (machine.shards() === 0) return;
    const table = machine.slotTable();
    let lowestPending = Number.POSITIVE_INFINITY;
    for (const [id, group] of this.#groups) {
      if (id === COORDINATION_GROUP) continue;
      const data = group.machine as DataMachine;
      if (!data.ownsSlots()) {
        this.#send(id, `${id}/slots`, 1, [...internal(Op.SlotsAssign), machine.slotEpoch(), id, table]);
      }
      const local = data.queueGenerations();
      for (const [name, generation, config] of machine.catalogue()) {
        const key = `${id}/${name}`;
        const known = Math.max(local.get(name) ?? 0, this.#confirmed.get(key) ?? 0);
        if (known >= generation) continue;
        lowestPending = Math.min(lowestPending, generation);
        this.#send(id, key, generation, configure(name, generation, config));
      }
    }
    this.#release((held) => held.generation < lowestPending || held.dueMs <= nowMs);
  }

  #send(group: GroupId, key: string, generation: number, command: QueueConfigure | SlotsAssign): void {
    if (this.#busy.has(key)) return;
    this.#busy.add(key);
    this.#submit(group, command).then(
      (outcome) => {
        this.#busy.delete(key);
        if (outcome.ok) this.#confirmed.set(key, generation);
      },
      () => this.#busy.delete(key),
    );
  }

  #release(due: (held: Held) => boolean): void {
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const one of held) {
      if (due(one)) one.send();
      else this.#held.push(one);
    }
  }
}

function configure(name: string, generation: number, config: QueueConfig | null): QueueConfigure {
  return [...internal(Op.QueueConfigure), name, generation, config];
}
