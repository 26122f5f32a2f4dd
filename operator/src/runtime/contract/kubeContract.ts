import { afterAll, beforeAll, describe } from 'vitest';
import { applyContract } from './apply.ts';
import type { ContractPort } from './contractPort.ts';
import { customResourcesContract } from './customResources.ts';
import { deletionContract } from './deletion.ts';
import { objectsContract } from './objects.ts';
import { statefulSetsContract } from './statefulSets.ts';
import { watchesContract } from './watches.ts';

/** A real server takes its time until it serves and collects new kinds. */
const SETUP_MS = 180_000;

/**
 * What reconcilers rely on, checked against any implementation of the Kube port. Nothing in here assumes that a
 * server is quick: what takes effect later is waited for.
 */
export function kubeContract(name: string, makePort: () => Promise<ContractPort>): void {
  describe(`Kube port: ${name}`, () => {
    let made: ContractPort;
    beforeAll(async () => {
      made = await makePort();
    }, SETUP_MS);
    afterAll(() => made.close());

    const port = (): ContractPort => made;
    objectsContract(port);
    applyContract(port);
    customResourcesContract(port);
    statefulSetsContract(port);
    deletionContract(port);
    watchesContract(port);
  });
}
