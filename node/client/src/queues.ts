import { Catalogue } from './catalogue.ts';
import type { Engine } from './engine.ts';
import { Op } from './protocol/commands.ts';
import { COORDINATION_GROUP } from './protocol/ids.ts';
import { Queue } from './queue.ts';

export interface QueueOptions {
  /** Fixed for the queue's life; messages of one partition stay in order. @default 3 */
  partitions?: number;
  /** How long a received message stays invisible unless the receiver says otherwise. @default 30000 */
  visibilityMs?: number;
}

/** The catalogue of queues. */
export class Queues {
  readonly #engine: Engine;
  readonly #catalogue: Catalogue;
  readonly #handles = new Map<string, Queue>();

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#catalogue = new Catalogue(engine);
  }

  /** Fetches the catalogue and the slot table. */
  refresh(): Promise<void> {
    return this.#catalogue.refresh();
  }

  /** Creates the queue; the same again changes nothing, other options are a `CONFLICT`. */
  async declare(name: string, options: QueueOptions = {}): Promise<Queue> {
    const config = [options.partitions ?? 3, options.visibilityMs ?? 30_000];
    await this.#engine.write(COORDINATION_GROUP, Op.QueueDeclare, [name, config], () => undefined);
    this.#catalogue.forget(name);
    return this.handle(name);
  }

  /** Deletes the queue with all its messages. */
  async delete(name: string): Promise<void> {
    await this.#engine.write(COORDINATION_GROUP, Op.QueueDelete, [name], () => undefined);
    this.#catalogue.forget(name);
    this.#handles.delete(name);
  }

  /** One handle per queue, so that all its callers share commands. Nothing is checked or sent. */
  handle(name: string): Queue {
    let queue = this.#handles.get(name);
    if (queue === undefined) {
      queue = new Queue(this.#engine, this.#catalogue, name);
      this.#handles.set(name, queue);
    }
    return queue;
  }
}
