import type { Result } from '../result.ts';
import { columnsOf, rowsOf, settingsList } from './rows.ts';

/** Columns aligned with spaces; the first `left` to the left, the others to the right. */
export function alignedTable(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  left = 1,
): string {
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...rows.map((row) => (row[index] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => (index < left ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!)))
      .join('  ')
      .trimEnd();
  return [line(columns), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}

/** The results for a terminal. */
export function renderTable(result: Result): string {
  const parts = [alignedTable(columnsOf(), rowsOf(result), 2)];
  if (result.failures.length > 0) {
    parts.push('', `FAILED: ${result.failures.length}`, ...result.failures.map((failure) => `  ${failure}`));
  }
  return `${parts.join('\n')}\n`;
}

/** `summary.md`. */
export function renderSummary(result: Result): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const columns = columnsOf();
  const lines = [
    '# SyncCluster benchmark',
    '',
    `${result.outcome === 'succeeded' ? 'Succeeded' : '**Failed**'}, ${result.startedAt}.`,
    '',
    ...result.failures.map((failure) => `- ${failure}`),
    ...(result.failures.length > 0 ? [''] : []),
    `| ${columns.join(' | ')} |`,
    `|${columns.map((_, index) => (index < 2 ? '---' : '---:')).join('|')}|`,
    ...rowsOf(result).map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
    'Mean over the runs ± standard deviation.',
    '',
    ...settingsList(result).map(([name, value]) => `- ${name}: ${value}`),
  ];
  return `${lines.join('\n')}\n`;
}
