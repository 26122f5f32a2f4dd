import { configurationOf, entryOf } from '../testing/network.ts';
import type { Configuration, Entry } from '../types.ts';
import { EntryKind } from '../types.ts';
import { bytes } from './words.ts';

/**
 * Entries for the logs that members begin with. The same entry for every member that is dealt this index and term:
 * logs that match are equal.
 */
export class Dealer {
  private readonly dealt = new Map<string, Entry>();
  /** The first entry of every log. */
  private readonly founding: Configuration;

  constructor(voters: readonly number[]) {
    this.founding = configurationOf(voters);
  }

  deal(index: number, term: number): Entry {
    const key = `${index}/${term}`;
    const known = this.dealt.get(key);
    if (known !== undefined) return known;
    const entry =
      index === 1
        ? entryOf(1, term, { kind: EntryKind.Configuration, data: bytes(''), configuration: this.founding })
        : entryOf(index, term, { data: bytes('x') });
    this.dealt.set(key, entry);
    return entry;
  }
}
