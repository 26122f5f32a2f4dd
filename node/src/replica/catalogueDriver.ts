import {
  COORDINATION_GROUP,
  type GroupId,
  Op,
  type QueueConfigure,
  type SlotsAssign,
} from '@synccluster/client/protocol';
import type { CoordinationMachine, DataMachine } from '../machines/index.ts';
import { internal } from './duties.ts';
import type { Group } from './group.ts';

type DataCommand = QueueConfigure | SlotsAssign;
/** Has a command applied by whichever member leads the group; rejects when that is not known to have happened. */
export type SubmitAnywhere = (group: GroupId, command: DataCommand) => Promise<unknown>;

interface Pending {
  readonly group: GroupId;
  /** The slot table comes first, as 0. */
  readonly generation: number;
  readonly command: DataCommand;
  underWay: boolean;
  notBeforeMs: number;
}

interface Held {
  readonly generation: number;
  readonly dueMs: number;
  readonly send: () => void;
}

/** A declare is answered after this at the latest, configured everywhere or not: the driver goes on meanwhile. */
const HOLD_MS = 5_000;
const RETRY_MS = 100;
/** Under way at once: a new leader of a cluster with many queues must not flood the data groups. */
const UNDER_WAY_MAX = 256;

/**
 * Run by group 0's leader: brings the slot table and every queue's configuration into the data groups. The
 * commands are idempotent and numbered, so a new leader starts over from what its own replicas show, and a
 * repeated one changes nothing.
 */
export class CatalogueDriver {
  readonly #groups: ReadonlyMap<GroupId, Group>;
  readonly #submit: SubmitAnywhere;
  /** What the data groups are not known to have, by group and queue. */
  readonly #pending = new Map<string, Pending>();
  #underWay = 0;
  /** The catalogue that was compared last, and the highest generation in it. */
  #seen: ReturnType<CoordinationMachine['catalogue']> | null = null;
  #seenGeneration = 0;
  #held: Held[] = [];

  constructor(groups: ReadonlyMap<GroupId, Group>, submit: SubmitAnywhere) {
    this.#groups = groups;
    this.#submit = submit;
  }

  /** Keeps back the reply to a declaration until the data groups know the queue. */
  hold(generation: number, nowMs: number, send: () => void): void {
    this.#held.push({ generation, dueMs: nowMs + HOLD_MS, send });
  }

  /** Called in every pass: costs nothing while the catalogue stays the same and is everywhere. */
  run(nowMs: number): void {
    const coordination = this.#groups.get(COORDINATION_GROUP);
    if (coordination?.isLeader !== true) {
      this.#seen = null;
      this.#pending.clear();
      this.#release(() => true);
      return;
    }
    const machine = coordination.machine as CoordinationMachine;
    if (machine.shards() === 0) return;
    if (this.#seen !== machine.catalogue()) this.#compare(machine);
    if (this.#pending.size > 0) this.#drive(nowMs);
    if (this.#held.length === 0) return;
    let lowest = Number.POSITIVE_INFINITY;
    for (const { generation } of this.#pending.values()) lowest = Math.min(lowest, generation);
    this.#release((held) => held.generation < lowest || held.dueMs <= nowMs);
  }

  /** Notes what is new in the catalogue; for a new leader, what its own replicas do not show. */
  #compare(machine: CoordinationMachine): void {
    const first = this.#seen === null;
    const catalogue = machine.catalogue();
    const since = first ? 0 : this.#seenGeneration;
    for (let id = 1 as GroupId; id <= machine.shards(); id = (id + 1) as GroupId) {
      const data = this.#groups.get(id)?.machine as DataMachine | undefined;
      if (first && data?.ownsSlots() !== true) {
        const slots = [...internal(Op.SlotsAssign), machine.slotEpoch(), id, machine.slotTable()] as const;
        this.#want(`${id}/`, id, 0, slots);
      }
      const local = data?.queueGenerations();
      for (const [name, generation, config] of catalogue) {
        this.#seenGeneration = Math.max(this.#seenGeneration, generation);
        if (generation <= since || (first && (local?.get(name) ?? 0) >= generation)) continue;
        const command = [...internal(Op.QueueConfigure), name, generation, config] as const;
        this.#want(`${id}/${name}`, id, generation, command);
      }
    }
    this.#seen = catalogue;
  }

  #want(key: string, group: GroupId, generation: number, command: DataCommand): void {
    this.#pending.set(key, { group, generation, command, underWay: false, notBeforeMs: 0 });
  }

  #drive(nowMs: number): void {
    for (const [key, pending] of this.#pending) {
      if (this.#underWay >= UNDER_WAY_MAX) return;
      if (pending.underWay || pending.notBeforeMs > nowMs) continue;
      pending.underWay = true;
      this.#underWay += 1;
      this.#submit(pending.group, pending.command).then(
        () => {
          this.#underWay -= 1;
          // A newer configuration of the same queue may have taken its place.
          if (this.#pending.get(key) === pending) this.#pending.delete(key);
        },
        () => {
          this.#underWay -= 1;
          pending.underWay = false;
          pending.notBeforeMs = nowMs + RETRY_MS;
        },
      );
    }
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
