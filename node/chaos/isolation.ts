import { spawn, spawnSync } from 'node:child_process';

/** Set in the inner process. */
const INSIDE = 'SYNCCLUSTER_CHAOS_INSIDE';

/** Mounts and processes of one's own: whatever ends the inner process, none of them is left. */
const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** Without root, a user namespace gives the right to mount in it, where the machine allows that. */
const AS_USER = ['--user', '--map-root-user'];

export function isInside(): boolean {
  return process.env[INSIDE] !== undefined;
}

/** Arguments of `unshare` that work here; null: none do. */
function workingFlags(): readonly string[] | null {
  for (const flags of [NAMESPACES, [...AS_USER, ...NAMESPACES]]) {
    const tried = spawnSync('unshare', [...flags, 'true'], { stdio: 'ignore' });
    if (tried.status === 0) return flags;
  }
  return null;
}

/**
 * Runs this program again with the same arguments in namespaces of its own, and gives its exit code; null: that cannot
 * be done here. It is told to stop by the end of its input, which also comes when this process is killed.
 */
export async function runInside(): Promise<number | null> {
  const flags = workingFlags();
  if (flags === null) return null;
  const child = spawn(
    'unshare',
    [...flags, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    {
      stdio: ['pipe', 'inherit', 'inherit'],
      env: { ...process.env, [INSIDE]: '1' },
      // A session of its own: Ctrl-C reaches it through this process alone.
      detached: true,
    },
  );
  child.stdin.on('error', () => {});
  let asked = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      asked += 1;
      if (asked === 1) child.stdin.end();
      else child.kill('SIGKILL');
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Aborted when this run is to stop: by a signal, or, inside, by whoever started it. */
export function stopSignal(): AbortSignal {
  const abort = new AbortController();
  const stop = (): void => abort.abort(new Error('interrupted'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  if (isInside()) {
    process.stdin.once('end', stop).once('error', stop).resume();
    // Waiting for it must not keep the run from ending.
    process.stdin.unref?.();
  }
  return abort.signal;
}
