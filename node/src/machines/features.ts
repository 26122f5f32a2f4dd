import { Op } from '@synccluster/client/protocol';

/**
 * What a version of this program understands. Members of different versions serve one group together as long as
 * nothing gets into its log that one of them does not know: the group has a level, raised in the log itself.
 */
export interface Features {
  /** Highest level of a group in which this version can take part. */
  readonly level: number;
  /** By operation: the level a group must have before it is proposed. One that is missing is unknown to this version. */
  readonly since: ReadonlyMap<number, number>;
}

/** Of every group at its founding, and of members that do not say what they know. */
export const FIRST_LEVEL = 1;

/** A new operation, or a new meaning of an old one, comes with a level of its own and raises `FEATURES.level`. */
const SINCE: Readonly<Record<keyof typeof Op, number>> = {
  SessionOpen: 1,
  SessionClose: 1,
  SessionExpire: 1,
  Expire: 1,
  FeatureLevel: 1,
  LockAcquire: 1,
  LockRelease: 1,
  LockCancel: 1,
  QueueDeclare: 1,
  QueueDelete: 1,
  Genesis: 1,
  RosterChange: 1,
  Recover: 1,
  SlotsAssign: 1,
  QueueConfigure: 1,
  QueueEnqueue: 1,
  QueueDequeue: 1,
  QueueAck: 1,
  QueueNack: 1,
  QueueExtend: 1,
  CachePut: 1,
  CacheDelete: 1,
};

/** This version. */
export const FEATURES: Features = {
  level: 1,
  since: new Map(Object.entries(SINCE).map(([name, level]) => [Op[name as keyof typeof Op], level])),
};

/** True when a group of this level may have the operation in its log, and this version knows it. */
export function serves({ since }: Features, groupLevel: number, op: number): boolean {
  const level = since.get(op);
  return level !== undefined && level <= groupLevel;
}

/** The group has come to a level that this version does not know: a newer one must go on with this volume. */
export class TooOldError extends Error {
  readonly code = 'TOO_OLD';
  constructor(group: number, groupLevel: number, { level }: Features) {
    super(
      `group ${group} is at feature level ${groupLevel} and this version knows levels up to ${level}: ` +
        'start a newer version on this volume; nothing on it is lost',
    );
    this.name = 'TooOldError';
  }
}
