import type { MemberId } from '@synccluster/client/protocol';
import { pack, unpack } from '@synccluster/client/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemberError } from '../errors.ts';
import type { Message } from '../raft/types.ts';
import {
  decodePeerFrame,
  encodeHello,
  encodeHelloReply,
  encodePeerMessage,
  encodeVitals,
  type PeerInput,
} from './peerCodec.ts';
import type { PeerMessage } from './transport.ts';

const configuration = { voters: [{ id: 1, ordinal: 0 }], learners: [{ id: 2, ordinal: 1 }] };
const meta = { index: 9, term: 2, stampMs: 1_700_000_000_000, configuration };
const head = { from: 2 ** 47, to: 3, term: 7 };
const entry = {
  index: 5,
  term: 6,
  kind: 1,
  stampMs: 1_700_000_000_123,
  data: new Uint8Array([1, 2, 3]),
  configuration: null,
};
const messages = [
  { type: 'vote', ...head, preVote: true, lastIndex: 1, lastTerm: 2, transfer: false },
  { type: 'voteResponse', ...head, preVote: false, granted: true },
  {
    type: 'append',
    ...head,
    prevIndex: 4,
    prevTerm: 6,
    commit: 3,
    entries: [entry, { ...entry, index: 6, kind: 2, data: new Uint8Array(0), configuration }],
  },
  { type: 'appendResponse', ...head, rejected: true, index: 4, hintIndex: 2, hintTerm: 1 },
  { type: 'heartbeat', ...head, commit: 3, round: 11 },
  { type: 'heartbeatResponse', ...head, round: 11 },
  { type: 'snapshot', ...head, meta },
  { type: 'timeoutNow', ...head },
] as unknown as Message[];
const peerMessages = [
  ...messages.map((message) => ({ kind: 'raft', group: 2, message })),
  { kind: 'forward', token: 4, frame: new Uint8Array([9]) },
  { kind: 'forwardReply', token: 4, requests: [1, 2], frames: new Uint8Array([9, 8]) },
  { kind: 'forwardClosed', token: 4 },
  {
    kind: 'snapshotChunk',
    group: 1,
    transfer: 2,
    sequence: 3,
    term: 4,
    meta,
    data: new Uint8Array([5]),
    last: true,
  },
  { kind: 'snapshotAck', group: 1, transfer: 2, sequence: 3, done: false, ok: true },
] as unknown as PeerMessage[];

/** Bytes as lists: what comes from a socket is a Buffer. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

describe('peer frames', () => {
  for (const message of peerMessages) {
    const name = message.kind === 'raft' ? message.message.type : message.kind;
    it(`carry ${name} unchanged`, () => {
      const input = decodePeerFrame(unpack(pack(encodePeerMessage(message))));
      expect(plain(input)).toEqual(plain({ kind: 'message', message }));
    });
  }

  it('carry the listeners and the feature level of both sides, and do without what older versions do not tell', () => {
    const listeners = { client: 'a:7400', http: 'a:7402' };
    const frames = [
      encodeHelloReply({ ok: true, listeners, level: 7 }),
      encodeHello({
        magic: 'm',
        version: 1,
        clusterId: 'c',
        from: 1 as MemberId,
        fromOrdinal: 0,
        to: 2 as MemberId,
        listeners,
        level: 7,
      }),
    ];
    for (const frame of frames) {
      const told = (wire: unknown) => {
        const input: PeerInput = decodePeerFrame(wire);
        const said = input.kind === 'hello' ? input.hello : input.kind === 'helloReply' && input.reply;
        return said && 'level' in said && { ...said.listeners, level: said.level };
      };
      expect(told(unpack(pack(frame)))).toEqual({ ...listeners, level: 7 });
      expect(told(frame.slice(0, -1))).toEqual({ ...listeners, level: 1 });
      expect(told(frame.slice(0, -2))).toEqual({ client: 'a:7400', http: '', level: 1 });
    }
  });

  it('carry vitals', () => {
    const vitals = { wallMs: 1_700_000_000_000, freeBytes: 2 ** 40, reluctant: true };
    expect(decodePeerFrame(unpack(pack(encodeVitals(vitals))))).toEqual({ kind: 'vitals', vitals });
  });

  it.each([
    ['a fraction as index', [3, 1, 4, 1, 2, 7, 3, 1.5, 0]],
    ['a term below 0', [3, 1, 4, 1, 2, -7, 3, 1, 0]],
    ['an entry of an unknown kind', [3, 1, 2, 1, 2, 7, 0, 0, 0, [[1, 1, 3, 0, new Uint8Array(0), null]]]],
    ['a request that is no number', [5, 1, ['x'], new Uint8Array(0)]],
    ['an address of 2,000 characters', [1, true, 'x'.repeat(2_000)]],
  ])('refuse %s', (_what, frame) => {
    expect(() => decodePeerFrame(frame)).toThrow(MemberError);
  });

  it('refuse anything malformed with PROTOCOL, never with another error', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.jsonValue())), (value) => {
        try {
          decodePeerFrame(value);
        } catch (error) {
          expect(error).toBeInstanceOf(MemberError);
          expect((error as MemberError).code).toBe('PROTOCOL');
        }
      }),
      { numRuns: 2000 },
    );
  });
});
