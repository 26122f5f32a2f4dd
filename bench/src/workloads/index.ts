import { getWorkload, putWorkload } from './cache.ts';
import { lockWorkload } from './lock.ts';
import { consumeWorkload, enqueueWorkload } from './queue.ts';
import type { Workload, WorkloadContext } from './workload.ts';

export function createWorkload(context: WorkloadContext): Workload {
  switch (context.spec.operation) {
    case 'lock.uncontended':
      return lockWorkload(context, false);
    case 'lock.contended':
      return lockWorkload(context, true);
    case 'queue.enqueue':
      return enqueueWorkload(context);
    case 'queue.consume':
      return consumeWorkload(context);
    case 'cache.put':
      return putWorkload(context);
    case 'cache.get':
      return getWorkload(context);
  }
}
