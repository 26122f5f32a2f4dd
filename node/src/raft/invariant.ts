/**
 * A member found its own state impossible. Nothing it would do next can be trusted, so its process must stop;
 * the log stays as it is. Recognised by `code`, as the machines' own is: neither core imports the other.
 */
export class InvariantError extends Error {
  readonly code = 'INVARIANT';
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

/** Stays on in production: a wrong member that stops costs less than one that goes on. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
