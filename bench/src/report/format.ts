/** Numbers for people: three significant digits and a unit, so that nothing reads as 0.0 ms. */

export function duration(ns: number): string {
  if (ns >= 120_000_000_000) {
    const seconds = Math.round(ns / 1e9);
    return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  }
  const [size, unit] = unitOf(ns);
  return `${significant(ns / size)} ${unit}`;
}

/** Both in the unit of the mean: `570 ± 13.4 µs`. */
export function durationSpread(spread: { mean: number; stdev: number }): string {
  const [size, unit] = unitOf(spread.mean);
  const mean = significant(spread.mean / size);
  return `${mean} ± ${withDecimalsOf(mean, spread.stdev / size)} ${unit}`;
}

/** As many decimals as the mean has, or one digit where that would show nothing. */
function withDecimalsOf(mean: string, stdev: number): string {
  const decimals = mean.split('.')[1]?.length ?? 0;
  const shown = stdev.toFixed(decimals);
  return Number(shown) === 0 && stdev > 0 ? String(Number(stdev.toPrecision(1))) : String(Number(shown));
}

function unitOf(ns: number): [ns: number, unit: string] {
  if (ns < 1e3) return [1, 'ns'];
  if (ns < 1e6) return [1e3, 'µs'];
  return ns < 1e9 ? [1e6, 'ms'] : [1e9, 's'];
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${significant(count / 1024)} KiB`;
  if (count < 1024 ** 3) return `${significant(count / 1024 ** 2)} MiB`;
  return `${significant(count / 1024 ** 3)} GiB`;
}

/** 1,234,567 without Intl's locale. */
export function count(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** For axes: 1.5k, 20k, 3M. */
export function compact(value: number): string {
  if (value >= 1e6) return `${significant(value / 1e6)}M`;
  if (value >= 1e3) return `${significant(value / 1e3)}k`;
  return significant(value);
}

export function rate(perS: number): string {
  return perS < 100 ? significant(perS) : count(perS);
}

export function significant(value: number): string {
  if (value === 0) return '0';
  const text = Number(value.toPrecision(3));
  return Math.abs(text) >= 1_000 ? count(text) : String(text);
}

export function plusMinus(spread: { mean: number; stdev: number }, show: (value: number) => string): string {
  return `${show(spread.mean)} ± ${show(spread.stdev)}`;
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
