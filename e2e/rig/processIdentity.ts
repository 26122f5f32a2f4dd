import { readFileSync } from 'node:fs';

/** A process for good: its id may be given to another one later, its id together with its start may not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since the machine started. */
  readonly startTicks: number;
}

interface Stat {
  readonly state: string;
  readonly startTicks: number;
}

function stat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses, and may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTicks: Number(fields[19]) };
}

export function identity(pid: number): ProcessIdentity {
  const found = stat(pid);
  if (found === null) throw new Error(`process ${pid} is gone`);
  return { pid, startTicks: found.startTicks };
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  const found = stat(pid);
  return found !== null && found.startTicks === startTicks && found.state !== 'Z';
}

export function renderIdentity({ pid, startTicks }: ProcessIdentity): string {
  return `${pid}-${startTicks}`;
}

export function parseIdentity(text: string): ProcessIdentity | null {
  const found = /^(\d+)-(\d+)$/.exec(text);
  return found === null ? null : { pid: Number(found[1]), startTicks: Number(found[2]) };
}
