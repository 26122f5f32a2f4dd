import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameDecoder, FrameWriter, pack, unpack, WireError } from './index.ts';

const MAX = 1 << 20;

function frames(...values: unknown[]): Uint8Array {
  const writer = new FrameWriter(MAX);
  for (const value of values) writer.appendValue(value);
  return writer.take();
}

describe('frames', () => {
  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1 }),
        (payloads, cuts) => {
          const stream = frames(...payloads);
          const decoder = new FrameDecoder({ maxBytes: MAX });
          const got: Buffer[] = [];
          for (let at = 0, i = 0; at < stream.length; i++) {
            const end = at + cuts[i % cuts.length]!;
            for (const payload of decoder.push(stream.subarray(at, end))) {
              got.push(Buffer.from(unpack(payload) as Uint8Array));
            }
            at = end;
          }
          expect(got).toEqual(payloads.map((payload) => Buffer.from(payload)));
          expect(decoder.buffered).toBe(0);
        },
      ),
    );
  });

  it('are views of the chunk where they lie whole in it', () => {
    const stream = frames('one', 'two');
    const [first] = new FrameDecoder().push(stream);
    expect(first!.buffer).toBe(stream.buffer);
  });

  it('survive larger than any slab', () => {
    const big = Buffer.alloc(300_000, 5);
    const decoder = new FrameDecoder({ maxBytes: MAX });
    const got = decoder.push(frames([1, big], 'next'));
    expect(Buffer.compare((unpack(got[0]!) as [number, Buffer])[1], big)).toBe(0);
    expect(unpack(got[1]!)).toBe('next');
  });

  it('may be empty', () => {
    expect(new FrameDecoder().push(new Uint8Array(8))).toEqual([new Uint8Array(0), new Uint8Array(0)]);
  });

  it('that claim too much are refused by their prefix alone, before anything is kept', () => {
    const decoder = new FrameDecoder({ maxBytes: 1_000 });
    expect(() => decoder.push(Uint8Array.of(0xff, 0xff, 0xff, 0xff))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
    const slow = new FrameDecoder({ maxBytes: 1_000 });
    slow.push(Uint8Array.of(0));
    slow.push(Uint8Array.of(0, 3));
    expect(() => slow.push(Uint8Array.of(0xe9))).toThrow(WireError);
    expect(new FrameDecoder({ maxBytes: 1_000 }).push(Uint8Array.of(0, 0, 3, 0xe8))).toEqual([]);
  });

  it('that are half there hold back only what came', () => {
    const decoder = new FrameDecoder({ maxBytes: 4 << 20 });
    decoder.push(Uint8Array.of(0, 0x3f, 0xff, 0xff, 1, 2, 3));
    expect(decoder.buffered).toBe(7);
  });
});

describe('the writer', () => {
  it('puts all frames since the last take into one piece and never writes into it again', () => {
    const writer = new FrameWriter(MAX);
    writer.appendValue([1]);
    writer.appendBytes(pack([2]));
    const first = writer.take();
    const copy = Buffer.from(first);
    for (let i = 0; i < 10_000; i++) {
      writer.appendValue(['x'.repeat(50)]);
      if (i % 7 === 0) writer.take();
    }
    expect(Buffer.compare(first, copy)).toBe(0);
    expect(new FrameDecoder().push(first).map(unpack)).toEqual([[1], [2]]);
  });

  it('appends nothing of what it refuses', () => {
    const writer = new FrameWriter(100);
    writer.appendValue('before');
    expect(() => writer.appendValue(Buffer.alloc(101))).toThrow(
      expect.objectContaining({ code: 'TOO_LARGE' }),
    );
    expect(() => writer.appendBytes(Buffer.alloc(101))).toThrow(WireError);
    writer.appendValue('after');
    expect(new FrameDecoder().push(writer.take()).map(unpack)).toEqual(['before', 'after']);
    expect(writer.length).toBe(0);
  });
});
