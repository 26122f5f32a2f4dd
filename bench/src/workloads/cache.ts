import { PayloadMaker, seeded } from './payload.ts';
import type { Workload, WorkloadContext } from './workload.ts';

const PRELOAD_AT_ONCE = 64;

export function putWorkload(context: WorkloadContext): Workload {
  const { target, spec } = context;
  const payloads = new PayloadMaker(spec.payloadBytes);
  return {
    lanes: spec.inFlight,
    prepare: async () => {},
    step: async (_lane, index) => {
      const key = (index * spec.clients + spec.client) % spec.cacheKeys;
      await target.put(keyName(spec.runId, key), payloads.make(spec.client, key));
      return 1;
    },
    evidence: () => ({ kind: 'put' }),
  };
}

/** Each client puts its share of the keys before the start; a get then finds one with probability `hitRatio`. */
export function getWorkload(context: WorkloadContext): Workload {
  const { target, spec } = context;
  const payloads = new PayloadMaker(spec.payloadBytes);
  const random = seeded(1 + spec.client);
  const present: string[] = [];
  const absent: string[] = [];
  for (let key = 0; key < spec.cacheKeys; key++) {
    present.push(keyName(spec.runId, key));
    absent.push(`${keyName(spec.runId, key)}-never`);
  }
  let hits = 0;
  let misses = 0;
  return {
    lanes: spec.inFlight,
    prepare: async () => {
      let next = spec.client;
      const lane = async (): Promise<void> => {
        while (next < spec.cacheKeys) {
          const key = next;
          next += spec.clients;
          await target.put(present[key]!, payloads.make(spec.client, key));
        }
      };
      await Promise.all(Array.from({ length: PRELOAD_AT_ONCE }, lane));
    },
    step: async () => {
      const wanted = random() < spec.hitRatio;
      const key = Math.floor(random() * spec.cacheKeys);
      const value = await target.get((wanted ? present : absent)[key]!);
      if (value === null) {
        // Not a violation for a key that was put: a cache may evict.
        misses++;
        return 1;
      }
      hits++;
      if (!wanted) context.violation(`cache: a value under ${absent[key]}, which nobody put`);
      else if (payloads.read(value)?.index !== key)
        context.violation(`cache: foreign value under ${present[key]}`);
      return 1;
    },
    evidence: () => ({ kind: 'get', hits, misses }),
  };
}

function keyName(runId: string, key: number): string {
  return `bench/${runId}/${key}`;
}
