/** One command of a transcript. What is expected of it is not kept: the whole text is compared. */
export interface Step {
  readonly kind: 'step';
  /** Counted from 1, of the command. */
  readonly line: number;
  readonly words: readonly string[];
}
/** A comment or an empty line. */
interface Prose {
  readonly kind: 'prose';
  readonly text: string;
}
export type Part = Step | Prose;

/** What stands for "nothing came of it", so that silence is expected as expressly as anything else. */
const NOTHING = '(nothing)';

/**
 * A transcript is read line by line: `#` begins a comment, `>` a command; what follows a command up to the next
 * comment, command or empty line is expected of it.
 */
export function parseTranscript(text: string): Part[] {
  const parts: Part[] = [];
  let expecting = false;
  const lines = text.replace(/\n$/, '').split('\n');
  for (const [at, line] of lines.entries()) {
    if (line.startsWith('>')) {
      expecting = true;
      parts.push({ kind: 'step', line: at + 1, words: line.slice(1).trim().split(/\s+/) });
    } else if (line === '' || line.startsWith('#')) {
      expecting = false;
      parts.push({ kind: 'prose', text: line });
    } else if (!expecting) {
      throw new Error(`line ${at + 1}: an expectation without a command`);
    }
  }
  return parts;
}

/** The transcript with what each command really did: equal to the text read when all went as expected. */
export function printTranscript(parts: readonly Part[], run: (step: Step) => readonly string[]): string {
  const lines: string[] = [];
  for (const part of parts) {
    if (part.kind === 'prose') {
      lines.push(part.text);
      continue;
    }
    lines.push(`> ${part.words.join(' ')}`);
    const done = run(part);
    lines.push(...(done.length === 0 ? [NOTHING] : done));
  }
  return `${lines.join('\n')}\n`;
}
