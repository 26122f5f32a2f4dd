import { MemberError } from '../errors.ts';

// Fatal: bytes that are no UTF-8 would be stored as other text than the one sent.
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads a request's body; empty is `undefined`. Throws INVALID_ARGUMENT. */
export function parseJson(body: Uint8Array): unknown {
  if (body.length === 0) return undefined;
  let text: string;
  try {
    text = decoder.decode(body);
  } catch (error) {
    throw new MemberError('INVALID_ARGUMENT', 'The body is not valid UTF-8.', { cause: error });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const reason = (error as Error).message.slice(0, 200).toWellFormed();
    throw new MemberError('INVALID_ARGUMENT', `The body is not valid JSON: ${reason}`, { cause: error });
  }
}
