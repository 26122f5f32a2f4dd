import { type Clock, sleep } from './clock.ts';
import { type Key, KubeError, type KubeObject, type KubePort, type Resource } from './kube.ts';
import type { Logger } from './logger.ts';

export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}
export const LEASES: Resource<Lease> = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  plural: 'leases',
};

export interface LeaderElectionOptions {
  /** Its requests should give up well before `renewDeadlineMs`. */
  readonly kube: Pick<KubePort, 'get' | 'create' | 'apply'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lease: Key;
  /** No two processes that run at the same time may share it. */
  readonly identity: string;
  /** For others: a lease not renewed for this long may be taken. */
  readonly leaseDurationSeconds: number;
  /** For itself: a leader that could not renew for this long has lost. Default: two thirds of the duration. */
  readonly renewDeadlineMs?: number;
  /** Between attempts to take or to renew. Default: two fifteenths of the duration. */
  readonly retryMs?: number;
  /** Leadership is lost: the process must end. Called once, and never after `release`. */
  readonly onLost: (why: string) => void;
  /** Wall clock, for what people read in the lease; nothing is decided by it. */
  readonly now?: () => Date;
  /** In [0, 1): spreads the attempts of those who wait. */
  readonly random?: () => number;
}

/**
 * One leader at a time through a Lease. Times in the lease are by the clock of whoever wrote them and are never
 * compared with the own one: a lease has run out when nobody has changed it for its duration *as watched from here*.
 * Each write is conditional on the version that was read, so of two that try one wins.
 *
 * A process that is paused may still act as a leader for a moment after it wakes: what a leader writes must therefore
 * carry conditions of its own.
 */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #renewDeadlineMs: number;
  readonly #retryMs: number;
  readonly #stopped = new AbortController();
  #renewing: Promise<void> = Promise.resolve();
  #leading = false;
  #lease: Lease | null = null;
  /** When the lease was last seen to change; null before the first look. */
  #changedMs: number | null = null;
  #holder: string | null = null;
  #cancelDeadline: () => void = () => {};

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    const durationMs = options.leaseDurationSeconds * 1000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? (durationMs * 2) / 3;
    this.#retryMs = options.retryMs ?? (durationMs * 2) / 15;
    if (!(this.#retryMs > 0 && this.#retryMs < this.#renewDeadlineMs && this.#renewDeadlineMs < durationMs))
      throw new RangeError('a lease needs 0 < retry < renew deadline < duration');
  }

  get leading(): boolean {
    return this.#leading;
  }
  /** Who leads, as far as known here. */
  get holder(): string | null {
    return this.#holder;
  }

  /** Resolves with true once this process leads, with false when `signal` aborts or after `release`. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    const { clock, logger, identity, random = Math.random } = this.#options;
    const ended = AbortSignal.any([signal, this.#stopped.signal]);
    let complained = false;
    while (!ended.aborted) {
      const beganMs = clock.now();
      try {
        if (await this.#tryToTake()) {
          if (!(await this.#lead(beganMs, ended))) return false;
          logger.info({ identity, lease: this.#options.lease.name }, 'leads');
          return true;
        }
        complained = false;
      } catch (error) {
        if (!isRace(error)) {
          // Told once per outage, not each second of it.
          if (!complained) logger.warn({ err: error }, 'the lease cannot be read or written');
          complained = true;
        }
      }
      await sleep(clock, this.#untilNextTryMs(random()), ended);
    }
    return false;
  }

  /** Lets somebody else lead at once. The work that needs leadership must have ended before. */
  async release(): Promise<void> {
    this.#stopped.abort();
    this.#cancelDeadline();
    await this.#renewing;
    if (!this.#leading) return;
    this.#leading = false;
    try {
      await this.#rewrite(null);
      this.#options.logger.info({ identity: this.#options.identity }, 'gave up leadership');
    } catch (error) {
      // It runs out by itself.
      this.#options.logger.warn({ err: error }, 'the lease could not be released');
    }
  }

  /** False when it was stopped while it took the lease. */
  async #lead(beganMs: number, ended: AbortSignal): Promise<boolean> {
    this.#leading = true;
    if (ended.aborted) {
      await this.release();
      return false;
    }
    this.#armDeadline(beganMs);
    this.#renewing = this.#keepRenewing();
    return true;
  }

  async #tryToTake(): Promise<boolean> {
    const { kube, clock, lease: key, identity } = this.#options;
    const lease = await kube.get(LEASES, key);
    const seenMs = clock.now();
    const changed = versionOf(lease) !== versionOf(this.#lease) || this.#changedMs === null;
    this.#observe(lease, changed ? seenMs : (this.#changedMs ?? seenMs));
    const holder = holderOf(lease);
    if (holder !== null && holder !== identity && lease !== null && !this.#ranOut(lease, seenMs))
      return false;
    if (lease === null) await this.#create();
    const again = holder === identity;
    await this.#write({
      holder: identity,
      acquired: again ? lease?.spec?.acquireTime : undefined,
      transitions: transitionsOf(lease) + (again || lease === null ? 0 : 1),
    });
    return true;
  }

  #ranOut(lease: Lease, nowMs: number): boolean {
    return this.#leftMs(lease, nowMs) <= 0;
  }

  #leftMs(lease: Lease, nowMs: number): number {
    // One without a duration was not written by a leader that works: the own duration is as good as any.
    const seconds = lease.spec?.leaseDurationSeconds ?? this.#options.leaseDurationSeconds;
    return (this.#changedMs ?? nowMs) + seconds * 1000 - nowMs;
  }

  /**
   * A retry, but not past the moment at which the lease runs out: so what is added to its duration is only how late
   * the last renewal was seen, which is a retry at most, and not another retry on top.
   */
  #untilNextTryMs(random: number): number {
    const retryMs = this.#retryMs * (1 + 0.2 * random);
    const leftMs = this.#lease === null ? 0 : Math.ceil(this.#leftMs(this.#lease, this.#options.clock.now()));
    return leftMs > 0 ? Math.min(retryMs, leftMs) : retryMs;
  }

  /** Until it is released or lost. */
  async #keepRenewing(): Promise<void> {
    const { signal } = this.#stopped;
    const { logger, identity, clock } = this.#options;
    for (;;) {
      await sleep(clock, this.#retryMs, signal);
      if (signal.aborted) return;
      const beganMs = clock.now();
      try {
        await this.#rewrite(identity);
        // Counted from before the request: that is the earliest that others can have begun to count.
        if (!signal.aborted) this.#armDeadline(beganMs);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LostError) return this.#lose(error.message);
        logger.warn({ err: error, identity }, 'the lease could not be renewed');
      }
    }
  }

  /** Writes the lease that is held: anew, or as nobody's. Throws `LostError` when it is somebody else's. */
  async #rewrite(holder: string | null): Promise<void> {
    const { kube, clock, lease: key, identity } = this.#options;
    const write = () =>
      this.#write({
        holder,
        acquired: this.#lease?.spec?.acquireTime,
        transitions: transitionsOf(this.#lease),
      });
    try {
      await write();
    } catch (error) {
      if (!isRace(error)) throw error;
      // Happens also after a renewal of our own whose answer was lost.
      const lease = await kube.get(LEASES, key);
      const found = holderOf(lease);
      if (found !== identity) throw new LostError(`the lease is held by ${found ?? 'nobody'}`);
      this.#observe(lease, clock.now());
      await write();
    }
  }

  /** On a clock of its own: a request that hangs must not hide that time is up. */
  #armDeadline(renewedMs: number): void {
    const { clock } = this.#options;
    this.#cancelDeadline();
    const leftMs = Math.max(0, renewedMs + this.#renewDeadlineMs - clock.now());
    this.#cancelDeadline = clock.after(leftMs, () =>
      this.#lose(`the lease could not be renewed for ${this.#renewDeadlineMs} ms`),
    );
  }

  #lose(why: string): void {
    if (!this.#leading || this.#stopped.signal.aborted) return;
    this.#leading = false;
    this.#stopped.abort();
    this.#cancelDeadline();
    this.#options.onLost(why);
  }

  /**
   * Nobody's. Fields of a creation count as set by an update: an apply of the same manager that leaves one out does not
   * remove it, so the holder must never be among them.
   */
  async #create(): Promise<void> {
    const { kube, clock, lease } = this.#options;
    const { name, namespace } = lease;
    const { apiVersion, kind } = LEASES;
    const created = await kube.create(LEASES, { apiVersion, kind, metadata: { name, namespace }, spec: {} });
    this.#observe(created, clock.now());
  }

  async #write(content: LeaseContent): Promise<void> {
    const { kube, clock } = this.#options;
    const next = this.#leaseOf(content);
    const { resourceVersion, uid } = this.#lease?.metadata ?? {};
    if (resourceVersion !== undefined) next.metadata.resourceVersion = resourceVersion;
    if (uid !== undefined) next.metadata.uid = uid;
    this.#observe(await kube.apply(LEASES, next), clock.now());
  }

  #observe(lease: Lease | null, changedMs: number): void {
    this.#lease = lease;
    this.#changedMs = changedMs;
    this.#holder = holderOf(lease);
  }

  #leaseOf({ holder, acquired, transitions }: LeaseContent): Lease {
    const { lease, leaseDurationSeconds } = this.#options;
    // Microseconds, as Kubernetes writes them.
    const now = (this.#options.now?.() ?? new Date()).toISOString().replace('Z', '000Z');
    return {
      apiVersion: LEASES.apiVersion,
      kind: LEASES.kind,
      metadata: { name: lease.name, namespace: lease.namespace },
      spec: {
        // A holder that is left out is nobody; an empty name is refused by newer servers.
        ...(holder === null ? {} : { holderIdentity: holder }),
        leaseDurationSeconds: holder === null ? 1 : leaseDurationSeconds,
        acquireTime: acquired ?? now,
        renewTime: now,
        leaseTransitions: transitions,
      },
    };
  }
}

interface LeaseContent {
  readonly holder: string | null;
  readonly acquired: string | undefined;
  readonly transitions: number;
}

/** Somebody else leads. */
class LostError extends Error {}

function isRace(error: unknown): boolean {
  return error instanceof KubeError && (error.code === 'Conflict' || error.code === 'AlreadyExists');
}
function versionOf(lease: Lease | null): string {
  return `${lease?.metadata.uid ?? ''}/${lease?.metadata.resourceVersion ?? ''}`;
}
function holderOf(lease: Lease | null): string | null {
  const holder = lease?.spec?.holderIdentity;
  return holder === undefined || holder === '' ? null : holder;
}
function transitionsOf(lease: Lease | null): number {
  return lease?.spec?.leaseTransitions ?? 0;
}
