import { type Action, type Names, process } from './actors.ts';
import type { Random } from './random.ts';
import type { RecordedClient } from './recordedClient.ts';
import type { WorkloadSettings } from './settings.ts';

type PassingQueue = NonNullable<WorkloadSettings['passingQueue']>;

/** Sends to and takes from a queue that comes and goes, and now and then deletes it and declares it anew. */
export function usePassingQueue(names: Names): Action {
  return async (client, random, settings) => {
    const { passingQueue: queue, messageKeys, delayMs, receiveWaitMs, deletion } = settings;
    if (queue === null) return;
    const { name, visibilityMs } = queue;
    if (client.misses(name)) await bringBack(client, random, queue);
    if (random.chance(deletion)) {
      await client.deleteQueue(name);
      // Others may meet its absence, and declare it first.
      await client.sleep(random.between(0, 2 * delayMs));
      await declareAnew(client, random, queue);
      return;
    }
    if (random.chance(0.5)) {
      const key = random.chance(0.7) ? random.pick(messageKeys) : null;
      const delay = random.chance(0.15) ? random.between(1, delayMs) : 0;
      await client.enqueue(name, names.next(client), key, delay);
      return;
    }
    const max = random.between(1, 8);
    const waitMs = random.chance(0.3) ? 0 : random.between(1, receiveWaitMs);
    const messages = (await client.receive(name, max, waitMs, 0)) ?? [];
    await Promise.all(
      messages.map((message) => process(client, random, name, message, { delayMs, visibilityMs })),
    );
  };
}

/**
 * A survivor of a recovery may know of a deletion where the messages are, and not in the catalogue: then the queue is
 * declared and not there, until it is deleted once more.
 */
async function bringBack(client: RecordedClient, random: Random, queue: PassingQueue): Promise<boolean> {
  if (random.chance(0.2)) await client.deleteQueue(queue.name);
  return declareAnew(client, random, queue);
}

/** With another number of partitions than before, perhaps. Refused where somebody else was faster. */
function declareAnew(
  client: RecordedClient,
  random: Random,
  { name, partitions, visibilityMs }: PassingQueue,
): Promise<boolean> {
  return client.declare(name, random.pick(partitions), visibilityMs);
}
