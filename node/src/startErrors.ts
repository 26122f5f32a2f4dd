import { MemberError } from './errors.ts';
import { TooOldError } from './machines/features.ts';

const UNUSABLE = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'EEXIST', 'ENOSPC', 'EDQUOT']);

/** One line for whoever started the member, when what it was given is to blame; null when the member itself is. */
export function startError(error: unknown): string | null {
  if (error instanceof MemberError) {
    return error.code === 'CONFIG' || error.code === 'DIRECTORY_LOCKED' ? error.message : null;
  }
  if (error instanceof TooOldError) return error.message;
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return null;
  const { code, syscall, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  if (syscall === 'listen' || syscall === 'bind') {
    const why = code === 'EADDRINUSE' ? 'the port is taken' : error.message;
    return `cannot listen on ${address}:${port}: ${why}`;
  }
  return UNUSABLE.has(code ?? '') ? `dataDir: the data directory cannot be used: ${error.message}` : null;
}
