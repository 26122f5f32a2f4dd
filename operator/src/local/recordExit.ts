/**
 * Preloaded into each pod's program: writes its exit code to a file, for a runtime that did not start the process
 * (its starter was killed) cannot learn the code otherwise. No file afterwards means a signal ended it.
 */
import { writeFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const file = process.env['SYNCCLUSTER_EXIT_FILE'];
// Workers and children inherit the preload or the environment: only the pod's main thread counts.
if (file !== undefined && isMainThread) {
  delete process.env['SYNCCLUSTER_EXIT_FILE'];
  process.on('exit', (code) => {
    try {
      writeFileSync(file, String(code));
    } catch {
      // The folder is gone: nobody wants to know any more.
    }
  });
}
