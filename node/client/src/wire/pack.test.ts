import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pack, unpack, unpackMany, WireError } from './index.ts';

const scalar = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true }).map((value) => (value === 0 ? 0 : value)),
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    scalar,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 8 }).filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 18 },
    ),
  ),
}));

function nest(depth: number): Uint8Array {
  const bytes = new Uint8Array(depth + 1).fill(0x91);
  bytes[depth] = 0xc0;
  return bytes;
}

describe('packing', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(value, (original) => {
        expect(JSON.stringify(unpack(pack(original)))).toBe(JSON.stringify(original));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    0,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2 ** 32 - 1,
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    -1,
    -32,
    -33,
    -128,
    -129,
    -32_768,
    -32_769,
    -(2 ** 31),
    -(2 ** 31) - 1,
    Number.MIN_SAFE_INTEGER,
    0.1,
    -1.5,
    1e300,
    Number.POSITIVE_INFINITY,
  ])('keeps the number %d', (number) => {
    expect(unpack(pack(number))).toBe(number);
  });

  it.each([0, 31, 32, 40, 41, 255, 256, 65_535, 65_536, 300_000])(
    'keeps strings of %d characters',
    (length) => {
      for (const unit of ['x', 'é', '€', '😀']) {
        const text = unit.repeat(length);
        expect(unpack(pack(text))).toBe(text);
      }
    },
  );

  it.each([0, 15, 16, 65_535, 65_536])('keeps lists and bytes of length %d', (length) => {
    expect(unpack(pack(new Array(length).fill(7)))).toEqual(new Array(length).fill(7));
    expect(Buffer.compare(unpack(pack(Buffer.alloc(length, 3))) as Buffer, Buffer.alloc(length, 3))).toBe(0);
  });

  it('turns a lone surrogate into valid UTF-8, so that what was packed can be unpacked', () => {
    for (const text of ['\ud800', `a\udc00${'b'.repeat(60)}`])
      expect(unpack(pack(text))).toBe(text.toWellFormed());
  });

  it('unpacks values that stand one behind the other', () => {
    const bytes = Buffer.concat([pack([1, 'a']), pack(null), pack(Buffer.from('xyz'))]);
    expect(unpackMany(bytes)).toEqual([[1, 'a'], null, Buffer.from('xyz')]);
    expect(unpackMany(new Uint8Array(0))).toEqual([]);
  });
});

describe('hostile bytes', () => {
  it.each([
    ['nothing', ''],
    ['the unused type', 'c1'],
    ['an extension', 'd40001'],
    ['a record definition of msgpackr', 'd4724091a161'],
    ['a timestamp', 'd6ff00000000'],
    ['a long extension', 'c7010001'],
    ['a map with a number as key', '810101'],
    ['a map with a list as key', '819001'],
    ['__proto__ as key', '81a95f5f70726f746f5f5f80'],
    ['half a string', 'a561'],
    ['half a float', 'cb0000'],
    ['a list that claims 4 G items', 'ddffffffff'],
    ['a map that claims 65535 entries', 'deffff'],
    ['bytes that claim 4 GiB', 'c6ffffffff'],
    ['text that claims 4 GiB', 'dbffffffff'],
    ['a whole number beyond 2^53', 'cf0020000000000000'],
    ['a whole number below -2^53', 'd3ffdfffffffffffff'],
    ['text that is not UTF-8', 'a2c328'],
    ['an overlong encoding', 'a2c0af'],
    ['an encoded surrogate', 'a3eda080'],
    ['a value and a byte', 'c000'],
  ])('refuses %s', (_what, hex) => {
    expect(() => unpack(Buffer.from(hex, 'hex'))).toThrow(WireError);
  });

  it('bounds the depth', () => {
    expect(unpack(nest(16))).toBeDefined();
    expect(() => unpack(nest(17))).toThrow(WireError);
    expect(() => unpack(nest(3_000_000))).toThrow(WireError);
  });

  it('answers random bytes with a value or a WireError, and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          unpack(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 5_000 },
    );
  });

  it('reads nothing beyond a view into a larger buffer', () => {
    const whole = Buffer.concat([Buffer.alloc(3, 0x01), pack('secret'), pack('tail')]);
    const view = whole.subarray(3, 3 + 4);
    expect(() => unpack(view)).toThrow(WireError);
  });
});
