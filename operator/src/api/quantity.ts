const SUFFIXES: ReadonlyMap<string, number> = new Map([
  ['n', 1e-9],
  ['u', 1e-6],
  ['m', 1e-3],
  ['', 1],
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
  ['P', 1e15],
  ['E', 1e18],
  ['Ki', 2 ** 10],
  ['Mi', 2 ** 20],
  ['Gi', 2 ** 30],
  ['Ti', 2 ** 40],
  ['Pi', 2 ** 50],
  ['Ei', 2 ** 60],
]);
export const QUANTITY_PATTERN =
  '^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?[0-9]+))?$';
const QUANTITY = /^([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE])?)$/;

/** Value of a Kubernetes quantity; null when it is none. An API server rewrites `1024Mi` to `1Gi`, so compare these. */
export function parseQuantity(text: string | number): number | null {
  if (typeof text === 'number') return text;
  const match = QUANTITY.exec(text);
  if (match === null) return null;
  if (match[2] !== undefined) return Number(`${match[1]}${match[2]}`);
  const factor = SUFFIXES.get(match[3] ?? '');
  return factor === undefined ? null : Number(match[1]) * factor;
}
