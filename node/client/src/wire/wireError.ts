/**
 * Bytes that are not this protocol, or a value that it cannot carry. Fatal for the connection that they came
 * from and for nothing else.
 */
export class WireError extends Error {
  readonly code: 'TOO_LARGE' | 'PROTOCOL';
  constructor(code: 'TOO_LARGE' | 'PROTOCOL', message: string) {
    super(message);
    this.name = 'WireError';
    this.code = code;
  }
}
