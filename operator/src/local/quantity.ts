/** Kubernetes quantities ("10Gi", "500m") as exact integers of 10⁻⁹. Pure. */

const SUFFIXES = new Map<string, bigint>([
  ['n', 1n],
  ['u', 1_000n],
  ['m', 1_000_000n],
  ['', 1_000_000_000n],
  ...['k', 'M', 'G', 'T', 'P', 'E'].map((suffix, i): [string, bigint] => [
    suffix,
    10n ** BigInt(9 + 3 * (i + 1)),
  ]),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((suffix, i): [string, bigint] => [
    suffix,
    1_000_000_000n * 1024n ** BigInt(i + 1),
  ]),
]);

/** In units of 10⁻⁹; null when the text is no quantity. What is finer than 10⁻⁹ rounds up, as it does there. */
export function parseQuantity(text: string): bigint | null {
  const match = /^([+-]?)(\d{1,30})?(?:\.(\d{0,30}))?(?:([eE][+-]?\d{1,2})|([a-zA-Z]{0,2}))$/.exec(text);
  if (match === null) return null;
  const [, sign, whole = '', fraction = '', exponent, suffix = ''] = match;
  if (whole === '' && fraction === '') return null;
  let numerator = BigInt(whole + fraction);
  let denominator = 10n ** BigInt(fraction.length);
  if (exponent === undefined) {
    const scale = SUFFIXES.get(suffix);
    if (scale === undefined) return null;
    numerator *= scale;
  } else {
    const power = Number(exponent.slice(1));
    numerator *= 1_000_000_000n;
    if (power >= 0) numerator *= 10n ** BigInt(power);
    else denominator *= 10n ** BigInt(-power);
  }
  const rounded = (numerator + denominator - 1n) / denominator;
  return sign === '-' ? -rounded : rounded;
}
