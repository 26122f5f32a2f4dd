import { describe, expect, it } from 'vitest';
import { Op } from './commands.ts';
import { LIMITS } from './limits.ts';
import { SLOT_COUNT } from './slots.ts';
import { refuseCommand, utf8Bytes } from './validate.ts';

const bytes = (length: number) => new Uint8Array(length);
const receipt = [0, 1, 1];

/** One good command of each operation, without session. */
const GOOD: Record<keyof typeof Op, unknown[]> = {
  SessionOpen: [10_000, ''],
  SessionClose: [],
  SessionExpire: [[1, 2]],
  Expire: [],
  FeatureLevel: [1],
  LockAcquire: ['a', 1, -1],
  LockRelease: ['a', 1],
  LockCancel: [1],
  QueueDeclare: ['q', [3, 1000]],
  QueueDelete: ['q'],
  Genesis: ['cluster', 3, 1, 0],
  RosterChange: [1, [[1, 0, 'voter']]],
  Recover: ['cluster', 1, 0],
  SlotsAssign: [1, 1, bytes(SLOT_COUNT)],
  QueueConfigure: ['q', 1, null],
  QueueEnqueue: ['q', 0, [[bytes(1), 0]]],
  QueueDequeue: ['q', 1, 0],
  QueueAck: ['q', [receipt]],
  QueueNack: ['q', [receipt], 0],
  QueueExtend: ['q', [receipt], 1000],
  CachePut: ['k', bytes(0), 0],
  CacheDelete: ['k'],
};
const names = Object.keys(GOOD) as (keyof typeof Op)[];
const command = (name: keyof typeof Op, fields = GOOD[name]) => [Op[name], 1, 0, 0, 0, ...fields];

describe('a command', () => {
  it.each(names)('%s is let through when it is whole', (name) => {
    expect(refuseCommand(command(name))).toBeNull();
    expect(refuseCommand([Op[name], 1, 7, 5, 5, ...GOOD[name]])).toBeNull();
  });

  it.each(names)('%s is refused with a field too many, too few or of another kind', (name) => {
    const fields = GOOD[name];
    expect(refuseCommand([...command(name), 0])?.code).toBe('INVALID_ARGUMENT');
    if (fields.length > 0) expect(refuseCommand(command(name).slice(0, -1))?.code).toBe('INVALID_ARGUMENT');
    for (let i = 0; i < fields.length; i++) {
      for (const wrong of [undefined, {}, 1.5, NaN, -2, true, 'x'.repeat(2000), [[]]]) {
        expect(
          refuseCommand(command(name, fields.with(i, wrong))),
          `field ${i}: ${String(wrong)}`,
        ).not.toBeNull();
      }
    }
  });

  it.each([null, undefined, 1, 'x', {}, [], [Op.Expire, 1, 0, 0]])('%j is none', (value) => {
    expect(refuseCommand(value)?.code).toBe('INVALID_ARGUMENT');
  });

  it.each([
    [[99, 1, 0, 0, 0], 'UNSUPPORTED'],
    [[Op.Expire, 2, 0, 0, 0], 'UNSUPPORTED'],
    [['4', 1, 0, 0, 0], 'UNSUPPORTED'],
    [[Op.Expire, 1, -1, 0, 0], 'INVALID_ARGUMENT'],
    [[Op.Expire, 1, 0, 1, 1], 'INVALID_ARGUMENT'],
    [[Op.Expire, 1, 5, 1, 2], 'INVALID_ARGUMENT'],
    [[Op.Expire, 1, 5, 2 ** 53, 1], 'INVALID_ARGUMENT'],
  ])('with the header %j is refused: %s', (value, code) => {
    expect(refuseCommand(value)?.code).toBe(code);
  });
});

describe('limits', () => {
  it.each([
    ['CachePut', ['k', bytes(LIMITS.valueBytes), 0], null],
    ['CachePut', ['k', bytes(LIMITS.valueBytes + 1), 0], 'TOO_LARGE'],
    ['CachePut', ['k'.repeat(LIMITS.keyBytes), bytes(0), 0], null],
    ['CachePut', ['ü'.repeat(LIMITS.keyBytes / 2 + 1), bytes(0), 0], 'TOO_LARGE'],
    ['CachePut', ['', bytes(0), 0], 'INVALID_ARGUMENT'],
    ['CachePut', ['k', bytes(0), LIMITS.durationMaxMs + 1], 'INVALID_ARGUMENT'],
    ['QueueEnqueue', ['q', 0, [[bytes(LIMITS.valueBytes + 1), 0]]], 'TOO_LARGE'],
    ['QueueEnqueue', ['q', LIMITS.partitionsMax, [[bytes(0), 0]]], 'INVALID_ARGUMENT'],
    ['QueueEnqueue', ['q', 0, []], 'INVALID_ARGUMENT'],
    ['QueueDequeue', ['q', LIMITS.batchMessages + 1, 0], 'INVALID_ARGUMENT'],
    ['QueueDequeue', ['q', 1, LIMITS.visibilityMinMs - 1], 'INVALID_ARGUMENT'],
    ['SlotsAssign', [1, 1, bytes(SLOT_COUNT - 1)], 'INVALID_ARGUMENT'],
    ['SessionOpen', [LIMITS.sessionTtlMinMs - 1, ''], 'INVALID_ARGUMENT'],
    ['LockAcquire', ['a', 2, 0], 'INVALID_ARGUMENT'],
  ] as const)('%s %j: %s', (name, fields, code) => {
    expect(refuseCommand(command(name, [...fields]))?.code ?? null).toBe(code);
  });

  it('name the field and what is allowed', () => {
    const refusal = refuseCommand(
      command('QueueEnqueue', [
        'q',
        0,
        [
          [bytes(1), 0],
          [bytes(1), -1],
        ],
      ]),
    );
    expect(refusal?.message).toBe(
      `messages item 1 delayMs must be a whole number from 0 to ${LIMITS.durationMaxMs}`,
    );
  });
});

describe('text', () => {
  it.each(['', 'abc', 'ü', '日本', '😀', 'a😀b'])('%j has the length that an encoder gives it', (text) => {
    expect(utf8Bytes(text)).toBe(new TextEncoder().encode(text).length);
  });

  it('with a lone surrogate is refused: it would not survive a snapshot', () => {
    for (const text of ['\ud800', 'a\udc00', '\udc00\ud800']) {
      expect(refuseCommand(command('CacheDelete', [text]))?.message).toContain('well-formed');
    }
  });
});
