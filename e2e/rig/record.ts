import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Binaries } from './goBuild.ts';
import { STATE_DIR } from './paths.ts';

/** What a running rig was started from, for processes that come later. */
export interface RigRecord {
  readonly binaries: Binaries;
  /** OCI archive. */
  readonly baseImage: string;
}

const RECORD = join(STATE_DIR, 'rig.json');
const COMPLETE = join(STATE_DIR, 'complete');

export function writeRecord(record: RigRecord): void {
  writeFileSync(RECORD, JSON.stringify(record, null, 2));
}

export function readRecord(): RigRecord | null {
  try {
    return JSON.parse(readFileSync(RECORD, 'utf8')) as RigRecord;
  } catch {
    return null;
  }
}

/** The last step of a start. */
export function markComplete(): void {
  writeFileSync(COMPLETE, '');
}

export function isComplete(): boolean {
  return existsSync(COMPLETE);
}
