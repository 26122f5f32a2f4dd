import { expect, it } from 'vitest';
import { Addresses } from './addresses.ts';

it('gives everything an address of its own, and finds the same door in another house', () => {
  const addresses = new Addresses(64, 7);
  const all: string[] = [];
  for (let ordinal = 0; ordinal < 5; ordinal++) {
    all.push(addresses.member(ordinal), addresses.door(ordinal, 0), addresses.door(ordinal, 1));
    for (let to = 0; to < 5; to++) if (to !== ordinal) all.push(addresses.link(ordinal, to));
    const advertised = `${addresses.door(ordinal)}:7400`;
    expect(addresses.doorIn(0, advertised)).toBe(advertised);
    expect(addresses.doorIn(1, advertised)).toBe(`${addresses.door(ordinal, 1)}:7400`);
    expect(addresses.doorIn(0, addresses.doorIn(1, advertised))).toBe(advertised);
  }
  expect(new Set(all).size).toBe(all.length);
  for (const address of all) expect(address).toMatch(/^127\.64\.7\.\d{1,3}$/);
  expect(() => addresses.doorIn(0, `${addresses.member(1)}:7400`)).toThrow(RangeError);
});
