import type { Step } from '../load/drive.ts';
import type { Evidence, PhaseSpec } from '../load/phase.ts';
import type { Target } from '../targets/target.ts';

/** One client's work in one phase. */
export interface Workload {
  /** How many steps are outstanding at once. */
  readonly lanes: number;
  /** Before the common start, not measured. */
  prepare(): Promise<void>;
  readonly step: Step;
  evidence(): Evidence;
}

export interface WorkloadContext {
  readonly target: Target;
  readonly spec: PhaseSpec;
  /** Nanoseconds since the common start, on a clock that all clients share. */
  now(): number;
  violation(text: string): void;
  /** An operation inside a step failed while the step as a whole went on. */
  error(error: unknown): void;
  received(id: number): void;
}
