import { type Client, connect } from '../client.ts';
import type { ClientEvent } from '../events.ts';
import type { ClientOptions } from '../options.ts';
import { assignSlots, slotOf } from '../protocol/slots.ts';
import { FakeCluster } from './fakeCluster.ts';
import { VirtualClock } from './virtualClock.ts';

export interface Setup {
  readonly clock: VirtualClock;
  readonly cluster: FakeCluster;
  readonly client: Client;
  readonly events: ClientEvent[];
  /** Another client of the same cluster. */
  another(): Promise<Client>;
}

export async function setUp(options: Partial<ClientOptions> & { members?: number } = {}): Promise<Setup> {
  const { members = 3, ...rest } = options;
  const clock = new VirtualClock();
  const cluster = new FakeCluster(clock, members);
  const events: ClientEvent[] = [];
  const make = (): Promise<Client> =>
    result(
      clock,
      connect({
        endpoints: cluster.endpoints,
        transport: cluster,
        clock,
        onEvent: (event) => events.push(event),
        ...rest,
      }),
    );
  return { clock, cluster, client: await make(), events, another: make };
}

/** A key whose slot belongs to this group. */
export function keyIn(group: number, salt = 0): string {
  const table = assignSlots(3);
  for (let i = salt * 1_000; ; i++) if (table[slotOf(`key-${i}`)] === group) return `key-${i}`;
}

/** Runs virtual time on until the promise has settled, and gives its result. */
export async function result<T>(clock: VirtualClock, promise: Promise<T>, withinMs = 20_000): Promise<T> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  promise.then(done, done);
  for (let spent = 0; spent < withinMs; spent += 10) {
    await clock.advance(10);
    if (settled) return promise;
  }
  throw new Error(`not settled within ${withinMs} virtual ms`);
}
