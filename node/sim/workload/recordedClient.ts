import {
  type AnswerPosition,
  Client,
  type ClientEvent,
  type ClientOptions,
  type Clock,
  type Lock,
  type LockModeName,
  type Message,
  type ReadLevelName,
  SyncError,
} from '@synccluster/client';
import type { AnswerOf, CallOf, LogPosition, OperationKind } from '../history/operations.ts';
import type { OpenOperation, Recorder } from '../history/recorder.ts';
import { failureOf } from './outcomes.ts';

export type RecordedOptions = ClientOptions & { readonly clock: Clock };

/** Beyond this a timer was late because the process stood still, in milliseconds. */
const STALL_MS = 20;

/** One client of the real library; everything asked of it is recorded, and nothing throws: null says that it failed. */
export class RecordedClient {
  readonly number: number;
  readonly clock: Clock;
  readonly #client: Client;
  readonly #recorder: Recorder;
  /** Queues that there are not, as far as this client knows. */
  readonly #missing = new Set<string>();
  #closed = false;

  constructor(number: number, recorder: Recorder, options: RecordedOptions) {
    this.number = number;
    this.clock = options.clock;
    this.#recorder = recorder;
    const { onEvent } = options;
    this.#client = new Client({
      ...options,
      onEvent: (event) => {
        this.#note(event);
        onEvent?.(event);
      },
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** By the client's own clock. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(delayMs, resolve);
    });
  }

  /** True when the members told who owns what within the request's deadline. */
  async ready(): Promise<boolean> {
    try {
      await this.#client.ready();
      return true;
    } catch (error) {
      failureOf(error);
      return false;
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#client.close();
  }

  /** `waitMs` null: for ever; 0: only if it is free. */
  async acquire(
    name: string,
    mode: LockModeName,
    waitMs: number | null,
    signal?: AbortSignal,
  ): Promise<Lock | null> {
    const open = this.#invoke('lockAcquire', { name, mode, waitMs });
    const options = { mode, ...(signal === undefined ? {} : { signal }) };
    try {
      const { locks } = this.#client;
      const lock =
        waitMs === 0
          ? await locks.tryAcquire(name, options)
          : await locks.acquire(name, { ...options, ...(waitMs === null ? {} : { waitMs }) });
      if (lock === null) {
        open.fail('LOCK_HELD');
        return null;
      }
      open.ok({ token: lock.token });
      lock.lost.then(() => this.#recorder.note(this.number, this.clock, 'lockLost', identity(lock), {}));
      return lock;
    } catch (error) {
      settle(open, error);
      return null;
    }
  }

  /** Notes whether the lock is held now, by this client's clocks. */
  mark(lock: Lock): boolean {
    const { held } = lock;
    this.#recorder.note(this.number, this.clock, 'lockMark', identity(lock), { held });
    return held;
  }

  /** Holds on for a time by the client's own clock, noting now and then whether it still holds; false: it does not. */
  async hold(lock: Lock, holdMs: number, everyMs: number): Promise<boolean> {
    const { clock } = this;
    const untilMs = clock.monotonicMs() + holdMs;
    while (this.mark(lock)) {
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) return true;
      const delayMs = Math.min(leftMs, everyMs);
      const dueMs = clock.monotonicMs() + delayMs;
      await this.sleep(delayMs);
      // Stood still: the library's own timers, overdue as well, come first.
      if (clock.monotonicMs() > dueMs + STALL_MS) await this.sleep(1);
    }
    return false;
  }

  async release(lock: Lock): Promise<boolean> {
    const open = this.#invoke('lockRelease', identity(lock));
    return (await this.#run(open, lock.release(), () => ({}))) !== null;
  }

  async inspectLock(name: string): Promise<AnswerOf<'lockInspect'> | null> {
    const open = this.#invoke('lockInspect', { name });
    return this.#run(open, this.#client.locks.inspect(name), ({ holders, waiters }) => ({
      holders: holders.map(({ session, token, mode }) => ({ session, token, mode })),
      waiters: waiters.length,
    }));
  }

  async declare(queue: string, partitions: number, visibilityMs: number): Promise<boolean> {
    const open = this.#invoke('queueDeclare', { queue, partitions, visibilityMs });
    const declared = this.#client.queues.declare(queue, { partitions, visibilityMs });
    declared.then(
      () => this.#missing.delete(queue),
      // It is there, declared otherwise.
      (error: unknown) => {
        if (error instanceof SyncError && error.code === 'CONFLICT') this.#missing.delete(queue);
      },
    );
    return (await this.#run(open, declared, () => ({}))) !== null;
  }

  async deleteQueue(queue: string): Promise<boolean> {
    const open = this.#invoke('queueDelete', { queue });
    const deleted = this.#client.queues.delete(queue);
    deleted.then(
      () => this.#missing.add(queue),
      (error: unknown) => this.#noteMissing(queue, error),
    );
    return (await this.#run(open, deleted, () => ({}))) !== null;
  }

  /** To this client's knowledge there is no such queue: it was told so or deleted it, and has not declared it since. */
  misses(queue: string): boolean {
    return this.#missing.has(queue);
  }

  async enqueue(queue: string, payload: string, key: string | null, delayMs: number): Promise<boolean> {
    const open = this.#invoke('enqueue', { queue, key, payload, delayMs });
    const enqueued = this.#client
      .queue(queue)
      .enqueue(payload, { delayMs, ...(key === null ? {} : { key }) });
    enqueued.catch((error: unknown) => this.#noteMissing(queue, error));
    const answer = await this.#run(open, enqueued, ({ partition, id }) => ({ partition, message: id }));
    return answer !== null;
  }

  async receive(
    queue: string,
    max: number,
    waitMs: number,
    visibilityMs: number,
  ): Promise<readonly Message[] | null> {
    const open = this.#invoke('receive', { queue, max, waitMs, visibilityMs });
    let at: LogPosition | null = null;
    let resent = false;
    try {
      const messages = await this.#client.queue(queue).receive({
        max,
        waitMs,
        ...(visibilityMs === 0 ? {} : { visibilityMs }),
        onAnswer: (position) => {
          // Of several groups that were asked, one that was asked twice may have given and forgotten.
          resent ||= position.resent;
          at = { ...position, resent };
        },
      });
      const deliveries = messages.map((message) => ({
        partition: message.partition,
        message: message.id,
        delivery: message.delivery,
        enqueuedAtMs: message.enqueuedAtMs,
        payload: message.text(),
      }));
      open.ok({ deliveries }, at);
      return messages;
    } catch (error) {
      settle(open, error);
      this.#noteMissing(queue, error);
      return null;
    }
  }

  async ack(queue: string, message: Message): Promise<boolean> {
    const open = this.#invoke('ack', receipt(queue, message));
    return (await this.#run(open, message.ack(), () => ({}))) !== null;
  }

  async nack(queue: string, message: Message, delayMs: number): Promise<boolean> {
    const open = this.#invoke('nack', { ...receipt(queue, message), delayMs });
    return (await this.#run(open, message.nack({ delayMs }), () => ({}))) !== null;
  }

  async extend(queue: string, message: Message, visibilityMs: number): Promise<boolean> {
    const open = this.#invoke('extend', { ...receipt(queue, message), visibilityMs });
    return (await this.#run(open, message.extend(visibilityMs), () => ({}))) !== null;
  }

  async inspectQueue(queue: string): Promise<AnswerOf<'queueInspect'> | null> {
    const open = this.#invoke('queueInspect', { queue });
    const inspected = this.#client.queue(queue).inspect();
    inspected.catch((error: unknown) => this.#noteMissing(queue, error));
    return this.#run(open, inspected, (partitions) => ({
      partitions: partitions.map(({ partition, ready, inFlight, delayed }) => ({
        partition,
        ready,
        inFlight,
        delayed,
      })),
    }));
  }

  async put(key: string, value: string, ttlMs: number): Promise<boolean> {
    const open = this.#invoke('cachePut', { key, value, ttlMs });
    const at = new Position();
    const put = this.#client.cache.put(key, value, { ttlMs, onAnswer: at.note });
    return (await this.#run(open, put, (version) => ({ version }), at)) !== null;
  }

  async get(key: string, level: ReadLevelName): Promise<AnswerOf<'cacheGet'> | null> {
    const open = this.#invoke('cacheGet', { key, level });
    const at = new Position();
    const got = this.#client.cache.get(key, { level, onAnswer: at.note });
    return this.#run(
      open,
      got,
      (entry) =>
        entry === null
          ? { version: 0, value: null }
          : { version: entry.version, value: Buffer.from(entry.value).toString('utf8') },
      at,
    );
  }

  async delete(key: string): Promise<boolean> {
    const open = this.#invoke('cacheDelete', { key });
    const at = new Position();
    const deleted = this.#client.cache.delete(key, { onAnswer: at.note });
    return (await this.#run(open, deleted, (existed) => ({ existed }), at)) !== null;
  }

  #invoke<K extends OperationKind>(kind: K, call: CallOf<K>): OpenOperation<K> {
    return this.#recorder.invoke(this.number, this.clock, kind, call);
  }

  async #run<K extends OperationKind, T>(
    open: OpenOperation<K>,
    result: Promise<T>,
    convert: (value: T) => AnswerOf<K>,
    at: Position | null = null,
  ): Promise<AnswerOf<K> | null> {
    try {
      const answer = convert(await result);
      open.ok(answer, at?.position ?? null);
      return answer;
    } catch (error) {
      settle(open, error);
      return null;
    }
  }

  #noteMissing(queue: string, error: unknown): void {
    if (error instanceof SyncError && error.code === 'NOT_FOUND') this.#missing.add(queue);
  }

  #note(event: ClientEvent): void {
    if (event.type === 'sessionOpened' || event.type === 'sessionLost') {
      const { group, session } = event;
      this.#recorder.note(this.number, this.clock, event.type, { group, session }, {});
    } else if (event.type === 'clusterChanged') {
      this.#recorder.note(this.number, this.clock, event.type, { clusterId: event.clusterId }, {});
    }
  }
}

class Position {
  position: LogPosition | null = null;
  readonly note = ({ group, index, resent }: AnswerPosition): void => {
    this.position = { group, index, resent };
  };
}

function settle<K extends OperationKind>(open: OpenOperation<K>, error: unknown): void {
  const failure = failureOf(error);
  if (failure.outcome === 'fail') open.fail(failure.error);
  else open.unknown(failure.error);
}

function identity({ name, token }: Lock): { readonly name: string; readonly token: number } {
  return { name, token };
}

function receipt(
  queue: string,
  { partition, id, delivery }: Message,
): { queue: string; partition: number; message: number; delivery: number } {
  return { queue, partition, message: id, delivery };
}
