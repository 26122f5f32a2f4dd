import { LIMITS } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';

/** Characters of base64 that hold one value of the largest size. */
export const BASE64_LENGTH = Math.ceil(LIMITS.valueBytes / 3) * 4;

// `ignoreBOM` keeps a byte order mark: it is part of what was stored.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text, when the bytes are UTF-8 and so come back the same; else null. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

export function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** Strict where `Buffer.from` would skip what it does not know, and so store something else. */
function fromBase64(text: string, field: string): Uint8Array {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
    throw new MemberError('INVALID_ARGUMENT', `${field} must be base64 with padding`);
  }
  return Buffer.from(text, 'base64');
}

/** One of the two fields must be there: text, or any bytes as base64. */
export function bytesOf(text: string | undefined, base64: string | undefined, field: string): Uint8Array {
  if ((text === undefined) === (base64 === undefined)) {
    throw new MemberError('INVALID_ARGUMENT', `${field} or ${field}Base64 is needed, and only one of them`);
  }
  const bytes = text !== undefined ? Buffer.from(text, 'utf8') : fromBase64(base64!, `${field}Base64`);
  if (bytes.length > LIMITS.valueBytes) {
    throw new MemberError('TOO_LARGE', `${field} is too large: at most ${LIMITS.valueBytes} bytes`);
  }
  return bytes;
}
