import { escapeHtml } from './format.ts';
import type { Scale } from './scale.ts';

/** Units of the drawing; small enough that text stays legible when a phone scales it down. */
const WIDTH = 460;
const HEIGHT = 270;
const MARGIN = { left: 70, right: 14, top: 10, bottom: 46 };
export const PLOT = {
  left: MARGIN.left,
  top: MARGIN.top,
  width: WIDTH - MARGIN.left - MARGIN.right,
  height: HEIGHT - MARGIN.top - MARGIN.bottom,
};

export interface Axis {
  /** With its unit. */
  readonly label: string;
  /** Position 0…1 along the axis, and the text there. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export interface LegendEntry {
  readonly name: string;
  /** Class that carries the colour: `s1` … `s6`. */
  readonly klass: string;
  readonly dashed?: boolean;
}

export interface Chart {
  readonly title: string;
  readonly note?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly legend?: readonly LegendEntry[];
  /** SVG inside the plot, in the drawing's units. */
  readonly body: string;
  readonly grid?: 'both' | 'x' | 'y' | 'none';
}

export const px = (share: number): number => round(PLOT.left + share * PLOT.width);
export const py = (share: number): number => round(PLOT.top + (1 - share) * PLOT.height);

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** An axis with the ticks that its scale proposes. */
export function axisOf(scale: Scale, label: string, show: (value: number) => string): Axis {
  return { label, ticks: scale.ticks.map((tick) => ({ at: scale.at(tick), text: show(tick) })) };
}

export function renderChart(chart: Chart): string {
  const grid = chart.grid ?? 'both';
  const parts: string[] = [];
  for (const tick of chart.y.ticks) {
    const y = py(tick.at);
    if (grid === 'both' || grid === 'y') {
      parts.push(`<line class="grid" x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${y}" y2="${y}"/>`);
    }
    parts.push(
      `<text class="tick" x="${PLOT.left - 7}" y="${y + 4}" text-anchor="end">${escapeHtml(tick.text)}</text>`,
    );
  }
  for (const tick of spaced(chart.x.ticks)) {
    const x = px(tick.at);
    if (grid === 'both' || grid === 'x') {
      parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="${PLOT.top}" y2="${PLOT.top + PLOT.height}"/>`);
    }
    const y = PLOT.top + PLOT.height + 16;
    parts.push(`<text class="tick" x="${x}" y="${y}" text-anchor="middle">${escapeHtml(tick.text)}</text>`);
  }
  const bottom = PLOT.top + PLOT.height;
  parts.push(
    `<line class="axis" x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${bottom}" y2="${bottom}"/>`,
  );
  parts.push(chart.body);
  const middleX = PLOT.left + PLOT.width / 2;
  const middleY = PLOT.top + PLOT.height / 2;
  parts.push(
    `<text class="label" x="${middleX}" y="${HEIGHT - 8}" text-anchor="middle">${escapeHtml(chart.x.label)}</text>`,
    `<text class="label" x="13" y="${middleY}" text-anchor="middle" transform="rotate(-90 13 ${middleY})">${escapeHtml(chart.y.label)}</text>`,
  );
  const legend = (chart.legend ?? [])
    .map(
      (entry) =>
        `<span><svg class="key" viewBox="0 0 22 10" aria-hidden="true"><line class="line ${entry.klass}${entry.dashed === true ? ' dashed' : ''}" x1="1" x2="21" y1="5" y2="5"/></svg>${escapeHtml(entry.name)}</span>`,
    )
    .join('');
  return [
    '<figure>',
    `<figcaption>${escapeHtml(chart.title)}${chart.note === undefined ? '' : `<small>${escapeHtml(chart.note)}</small>`}</figcaption>`,
    legend === '' ? '' : `<div class="legend">${legend}</div>`,
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(`${chart.title}: ${chart.y.label} over ${chart.x.label}`)}">`,
    ...parts,
    '</svg></figure>',
  ].join('');
}

/** Ticks whose texts would touch their left neighbour's are left out. */
function spaced(ticks: Axis['ticks']): Axis['ticks'] {
  const kept: { at: number; text: string }[] = [];
  let freeFrom = Number.NEGATIVE_INFINITY;
  for (const tick of [...ticks].sort((a, b) => a.at - b.at)) {
    const half = tick.text.length * 3.4;
    if (px(tick.at) - half < freeFrom) continue;
    kept.push(tick);
    freeFrom = px(tick.at) + half + 6;
  }
  return kept;
}
