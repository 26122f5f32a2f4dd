/** What the clients do and how fast; times in milliseconds of their own clocks. */
export interface WorkloadSettings {
  readonly clients: number;
  readonly locks: readonly string[];
  readonly queues: readonly {
    readonly name: string;
    readonly partitions: number;
    readonly visibilityMs: number;
  }[];
  /** One that is deleted and declared anew while others use it, with one of these counts of partitions; null: none. */
  readonly passingQueue: {
    readonly name: string;
    readonly partitions: readonly number[];
    readonly visibilityMs: number;
  } | null;
  /** How often what is next done to that queue is its deletion. */
  readonly deletion: number;
  readonly messageKeys: readonly string[];
  readonly cacheKeys: readonly string[];
  /** Longest pause between two actions of an actor. */
  readonly pauseMs: number;
  readonly holdMs: number;
  /** Between two looks at a lock that is held. */
  readonly markMs: number;
  readonly lockWaitMs: number;
  /** How often a sender sends several messages without waiting for the answers. */
  readonly burstShare: number;
  /** Longest pause between two of those; 0: all in one turn, so that what goes to one partition goes together. */
  readonly burstGapMs: number;
  readonly receiveWaitMs: number;
  readonly delayMs: number;
  readonly ttlMs: number;
  /** How often an actor's next action is to close its client and go on with a new one. */
  readonly reconnect: number;
  /** Longest time that the final audit may take. */
  readonly auditMs: number;
}

/** A few of everything, so that clients meet. */
export const DEFAULT_SETTINGS: WorkloadSettings = {
  clients: 4,
  locks: ['lock-a', 'lock-b'],
  queues: [
    { name: 'queue-a', partitions: 2, visibilityMs: 1_000 },
    { name: 'queue-b', partitions: 3, visibilityMs: 2_000 },
  ],
  passingQueue: { name: 'queue-c', partitions: [1, 2, 4], visibilityMs: 1_000 },
  deletion: 0.03,
  messageKeys: ['key-1', 'key-2', 'key-3'],
  cacheKeys: ['x', 'y', 'z', 'w'],
  pauseMs: 300,
  holdMs: 800,
  markMs: 100,
  lockWaitMs: 2_000,
  burstShare: 0.2,
  burstGapMs: 0,
  receiveWaitMs: 1_000,
  delayMs: 300,
  ttlMs: 1_000,
  reconnect: 0.002,
  auditMs: 60_000,
};
