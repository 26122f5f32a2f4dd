import type { Answers, ErrorCode, Op, QueryOp, Replies } from '@synccluster/client/protocol';
import type { Outcome } from './machine.ts';

/** Reply of the named operation; the name is only for the compiler. */
export function reply<N extends keyof typeof Op>(value: Replies[(typeof Op)[N]]): Outcome {
  return { ok: true, value };
}

/** Answer of the named query; the name is only for the compiler. */
export function answer<N extends keyof typeof QueryOp>(value: Answers[(typeof QueryOp)[N]]): Outcome {
  return { ok: true, value };
}

export function fail(code: ErrorCode, message: string, detail = 0): Outcome {
  return { ok: false, code, message, detail };
}

/** The reply of every operation that has nothing to say. */
export const NOTHING: Outcome = { ok: true, value: [] };
