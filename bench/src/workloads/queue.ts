import { PayloadMaker, type Stamp } from './payload.ts';
import type { Workload, WorkloadContext } from './workload.ts';

/** Messages of one receive; a client with more in flight runs several receives at once. */
const RECEIVE_MAX = 32;
const RECEIVE_WAIT_MS = 200;

function queueName(runId: string): string {
  return `bench-${runId}`;
}

/** A message's number within its run. */
function messageId(stamp: Stamp): number {
  return stamp.client * 4_294_967_296 + stamp.index;
}

export function enqueueWorkload(context: WorkloadContext): Workload {
  const { target, spec } = context;
  const queue = queueName(spec.runId);
  const payloads = new PayloadMaker(spec.payloadBytes);
  const confirmed: number[] = [];
  const unknown: number[] = [];
  return {
    lanes: spec.inFlight,
    prepare: () => target.declareQueue(queue, { visibilityMs: spec.visibilityMs }),
    step: async (_lane, index) => {
      const id = messageId({ client: spec.client, index });
      try {
        await target.enqueue(queue, payloads.make(spec.client, index));
      } catch (error) {
        unknown.push(id);
        throw error;
      }
      confirmed.push(id);
      return 1;
    },
    evidence: () => ({
      kind: 'enqueue',
      confirmed: Float64Array.from(confirmed),
      unknown: Float64Array.from(unknown),
    }),
  };
}

/** Latency counts from the receive's call until every message it brought is acknowledged. */
export function consumeWorkload(context: WorkloadContext): Workload {
  const { target, spec } = context;
  const queue = queueName(spec.runId);
  const payloads = new PayloadMaker(spec.payloadBytes);
  const lanes = Math.ceil(spec.inFlight / RECEIVE_MAX);
  const max = Math.ceil(spec.inFlight / lanes);
  return {
    lanes,
    prepare: async () => {},
    step: async () => {
      const messages = await target.receive(queue, max, RECEIVE_WAIT_MS);
      if (messages.length === 0) return 0;
      const acks: Promise<void>[] = [];
      for (const message of messages) {
        const stamp = payloads.read(message.payload);
        if (stamp === null) context.violation(`queue ${queue}: a message arrived with bytes nobody enqueued`);
        else context.received(messageId(stamp));
        acks.push(message.ack());
      }
      let done = 0;
      for (const ack of await Promise.allSettled(acks)) {
        if (ack.status === 'fulfilled') done++;
        else context.error(ack.reason);
      }
      return done;
    },
    evidence: () => ({ kind: 'consume' }),
  };
}

/** What a run's messages came to: at least once means none that was confirmed is missing. */
export class Deliveries {
  readonly #awaited: Set<number>;
  readonly #unknown: Set<number>;
  readonly #arrived = new Set<number>();
  readonly #strangers = new Set<number>();
  #redelivered = 0;

  constructor(confirmed: readonly Float64Array[], unknown: readonly Float64Array[]) {
    this.#awaited = union(confirmed);
    this.#unknown = union(unknown);
  }

  get redelivered(): number {
    return this.#redelivered;
  }

  /** Every confirmed message has arrived. */
  get complete(): boolean {
    return this.#awaited.size === 0;
  }

  get arrived(): number {
    return this.#arrived.size;
  }

  add(ids: Float64Array): void {
    for (const id of ids) {
      if (this.#arrived.has(id)) this.#redelivered++;
      else if (this.#awaited.delete(id) || this.#unknown.delete(id)) this.#arrived.add(id);
      else this.#strangers.add(id);
    }
  }

  violations(): string[] {
    const found: string[] = [];
    const lost = this.#awaited.size;
    if (lost > 0) found.push(`${lost} of ${lost + this.#arrived.size} confirmed messages never arrived`);
    if (this.#strangers.size > 0) found.push(`${this.#strangers.size} messages arrived that nobody enqueued`);
    return found;
  }
}

function union(parts: readonly Float64Array[]): Set<number> {
  const all = new Set<number>();
  for (const part of parts) for (const id of part) all.add(id);
  return all;
}
