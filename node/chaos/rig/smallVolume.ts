import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const CHUNK = Buffer.alloc(64 * 1024, 0x5a);
const FILLER = 'filler';

const mounted = new Set<SmallVolume>();
// Members end first, by the handler that was there before.
process.on('exit', () => {
  for (const volume of mounted) volume.unmount();
});

/** A file system of its own and of a few MiB for one member, which somebody else's file can fill to the last byte. */
export class SmallVolume {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
    mounted.add(this);
  }

  /** Null, with the reason in `refused`, where this process may not mount anything. */
  static mount(path: string, mebibytes: number, refused: (reason: string) => void): SmallVolume | null {
    mkdirSync(path, { recursive: true });
    const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path], {
      encoding: 'utf8',
    });
    if (done.status === 0) return new SmallVolume(path);
    refused(done.error?.message ?? done.stderr.trim());
    return null;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Writes until nothing more fits: also what the member has given back since the last call. */
  fill(): void {
    const file = openSync(join(this.path, FILLER), 'a');
    try {
      for (;;) writeSync(file, CHUNK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      fsyncSync(file);
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.path, FILLER), { force: true });
  }

  unmount(): void {
    mounted.delete(this);
    // Lazily: a member that was killed a moment ago may still be let go of by the kernel.
    spawnSync('umount', ['--lazy', this.path]);
  }
}
