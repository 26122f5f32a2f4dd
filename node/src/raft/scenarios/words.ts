/** Readers of a command's words: a transcript with a mistake in it must not pass for another one. */
export function number(word: string | undefined): number {
  const value = Number(word);
  if (word === undefined || word === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new Error(`not a number: ${word ?? '(missing)'}`);
  }
  return value;
}

export function text(word: string | undefined): string {
  if (word === undefined) throw new Error('a word is missing');
  return word;
}

export function bytes(word: string): Uint8Array {
  return Uint8Array.from(word, (character) => character.charCodeAt(0));
}
