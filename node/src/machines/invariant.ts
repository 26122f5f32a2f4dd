/**
 * A replicated state broke its own rules: a bug, never something a command said. The member must not go on.
 * Recognised by `code`, as consensus's own is: neither core imports the other.
 */
export class InvariantError extends Error {
  readonly code = 'INVARIANT';
  constructor(message: string) {
    super(message);
    this.name = 'InvariantError';
  }
}

export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantError(message);
}
