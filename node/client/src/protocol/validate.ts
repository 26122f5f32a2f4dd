import { type Command, LockMode, Op, RosterTarget, SCHEMA_VERSION, WAIT_FOREVER } from './commands.ts';
import type { ErrorCode } from './errors.ts';
import { LIMITS } from './limits.ts';
import { SLOT_COUNT } from './slots.ts';

/** Why a command cannot be proposed: names the field and what is allowed. */
export interface Refusal {
  code: ErrorCode;
  message: string;
}

type Check = (value: unknown) => string | null;

/** UTF-8 length without allocating; lone surrogates count as their replacement (3 bytes). */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      bytes += 1;
    } else if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2;
      i++;
    } else {
      bytes += 2;
    }
  }
  return bytes;
}

const TOO_LARGE = 'too large: ';

function text(maxBytes: number, emptyAllowed = false): Check {
  return (value) => {
    if (typeof value !== 'string') return 'must be a string';
    if (value.length === 0 && !emptyAllowed) return 'must not be empty';
    if (value.length > maxBytes || utf8Bytes(value) > maxBytes)
      return `${TOO_LARGE}at most ${maxBytes} bytes of UTF-8`;
    // A lone surrogate would come back from a snapshot as another string, and members would differ.
    if (!value.isWellFormed()) return 'must be well-formed Unicode';
    return null;
  };
}

function integer(min: number, max: number): Check {
  return (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? null
      : `must be a whole number from ${min} to ${max}`;
}

function bytes(max: number): Check {
  return (value) => {
    if (!(value instanceof Uint8Array)) return 'must be bytes';
    return value.length > max ? `${TOO_LARGE}at most ${max} bytes` : null;
  };
}

function list(min: number, max: number, item: Check): Check {
  return (value) => {
    if (!Array.isArray(value)) return 'must be a list';
    if (value.length < min || value.length > max) return `must have ${min} to ${max} items`;
    for (let i = 0; i < value.length; i++) {
      const problem = item(value[i]);
      if (problem !== null) return `item ${i} ${problem}`;
    }
    return null;
  };
}

function tuple(...fields: readonly (readonly [name: string, check: Check])[]): Check {
  return (value) => {
    if (!Array.isArray(value) || value.length !== fields.length) return `must have ${fields.length} fields`;
    for (let i = 0; i < fields.length; i++) {
      const [name, check] = fields[i]!;
      const problem = check(value[i]);
      if (problem !== null) return `${name} ${problem}`;
    }
    return null;
  };
}

function orNull(check: Check): Check {
  return (value) => (value === null ? null : check(value));
}

function oneOf(...allowed: readonly unknown[]): Check {
  return (value) => (allowed.includes(value) ? null : `must be one of ${allowed.join(', ')}`);
}

const MAX = Number.MAX_SAFE_INTEGER;
const name = text(LIMITS.nameBytes);
const key = text(LIMITS.keyBytes);
const duration = integer(0, LIMITS.durationMaxMs);
const id = integer(1, MAX);
const queueConfig = tuple(
  ['partitions', integer(1, LIMITS.partitionsMax)],
  ['visibilityMs', integer(LIMITS.visibilityMinMs, LIMITS.visibilityMaxMs)],
);
const receipts = list(
  1,
  LIMITS.batchMessages,
  tuple(['partition', integer(0, LIMITS.partitionsMax - 1)], ['id', id], ['delivery', id]),
);
const visibility: Check = (value) =>
  value === 0 ? null : integer(LIMITS.visibilityMinMs, LIMITS.visibilityMaxMs)(value);

/** Fields behind the header, by opcode. */
const FIELDS: ReadonlyMap<unknown, readonly (readonly [string, Check])[]> = new Map<
  unknown,
  readonly (readonly [string, Check])[]
>([
  [
    Op.SessionOpen,
    [
      ['ttlMs', integer(LIMITS.sessionTtlMinMs, LIMITS.sessionTtlMaxMs)],
      ['label', text(LIMITS.labelBytes, true)],
    ],
  ],
  [Op.SessionClose, []],
  [Op.SessionExpire, [['sessions', list(1, 65_536, id)]]],
  [Op.Expire, []],
  [Op.FeatureLevel, [['level', integer(1, 65_535)]]],
  [
    Op.LockAcquire,
    [
      ['name', name],
      ['mode', oneOf(LockMode.Shared, LockMode.Exclusive)],
      ['waitMs', integer(WAIT_FOREVER, LIMITS.durationMaxMs)],
    ],
  ],
  [
    Op.LockRelease,
    [
      ['name', name],
      ['token', id],
    ],
  ],
  [Op.LockCancel, [['waiter', id]]],
  [
    Op.QueueDeclare,
    [
      ['name', name],
      ['config', queueConfig],
    ],
  ],
  [Op.QueueDelete, [['name', name]]],
  [
    Op.Genesis,
    [
      ['clusterId', text(64)],
      ['shards', integer(1, 64)],
      ['member', id],
      ['ordinal', integer(0, 64)],
    ],
  ],
  [
    Op.RosterChange,
    [
      ['expectedVersion', integer(0, MAX)],
      [
        'changes',
        list(
          1,
          16,
          tuple(
            ['id', id],
            ['ordinal', integer(0, 64)],
            ['target', oneOf(RosterTarget.Learner, RosterTarget.Voter, RosterTarget.Removed)],
          ),
        ),
      ],
    ],
  ],
  [
    Op.Recover,
    [
      ['clusterId', text(64)],
      ['member', id],
      ['ordinal', integer(0, 64)],
    ],
  ],
  [
    Op.SlotsAssign,
    [
      ['epoch', integer(1, MAX)],
      ['group', integer(1, 64)],
      [
        'table',
        (value) =>
          value instanceof Uint8Array && value.length === SLOT_COUNT ? null : `must be ${SLOT_COUNT} bytes`,
      ],
    ],
  ],
  [
    Op.QueueConfigure,
    [
      ['name', name],
      ['generation', integer(1, MAX)],
      ['config', orNull(queueConfig)],
    ],
  ],
  [
    Op.QueueEnqueue,
    [
      ['queue', name],
      ['partition', integer(0, LIMITS.partitionsMax - 1)],
      [
        'messages',
        list(1, LIMITS.batchMessages, tuple(['payload', bytes(LIMITS.valueBytes)], ['delayMs', duration])),
      ],
    ],
  ],
  [
    Op.QueueDequeue,
    [
      ['queue', name],
      ['max', integer(1, LIMITS.batchMessages)],
      ['visibilityMs', visibility],
    ],
  ],
  [
    Op.QueueAck,
    [
      ['queue', name],
      ['receipts', receipts],
    ],
  ],
  [
    Op.QueueNack,
    [
      ['queue', name],
      ['receipts', receipts],
      ['delayMs', duration],
    ],
  ],
  [
    Op.QueueExtend,
    [
      ['queue', name],
      ['receipts', receipts],
      ['visibilityMs', integer(LIMITS.visibilityMinMs, LIMITS.visibilityMaxMs)],
    ],
  ],
  [
    Op.CachePut,
    [
      ['key', key],
      ['value', bytes(LIMITS.valueBytes)],
      ['ttlMs', duration],
    ],
  ],
  [Op.CacheDelete, [['key', key]]],
]);

const HEADER_FIELDS = 5;

function refuse(field: string, problem: string): Refusal {
  return {
    code: problem.includes(TOO_LARGE) ? 'TOO_LARGE' : 'INVALID_ARGUMENT',
    message: `${field} ${problem}`,
  };
}

/**
 * Checks a decoded command whole, so that apply meets only well-formed ones. Returns why it is refused, or
 * null; after null the value is a `Command`.
 */
export function refuseCommand(value: unknown): Refusal | null {
  if (!Array.isArray(value) || value.length < HEADER_FIELDS) {
    return { code: 'INVALID_ARGUMENT', message: 'a command must be a list of at least 5 fields' };
  }
  const fields = FIELDS.get(value[0]);
  if (fields === undefined || value[1] !== SCHEMA_VERSION) {
    return {
      code: 'UNSUPPORTED',
      message: `operation ${String(value[0])} version ${String(value[1])} is unknown`,
    };
  }
  for (const [position, label] of [
    [2, 'session'],
    [3, 'seq'],
    [4, 'floor'],
  ] as const) {
    const field: unknown = value[position];
    if (!Number.isSafeInteger(field) || (field as number) < 0)
      return refuse(label, 'must be a whole number from 0');
  }
  if ((value[3] as number) > 0 && (value[2] === 0 || (value[4] as number) > (value[3] as number))) {
    return refuse('seq', 'needs a session, and floor must not be above it');
  }
  if (value.length !== HEADER_FIELDS + fields.length) {
    return refuse('command', `must have ${HEADER_FIELDS + fields.length} fields`);
  }
  for (let i = 0; i < fields.length; i++) {
    const [label, check] = fields[i]!;
    const problem = check(value[HEADER_FIELDS + i]);
    if (problem !== null) return refuse(label, problem);
  }
  return null;
}

/** Narrows after `refuseCommand` returned null. */
export function asCommand(value: unknown): Command {
  return value as Command;
}
