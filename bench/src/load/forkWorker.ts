import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { TargetSpec } from '../targets/target.ts';
import type { WorkerEvent, WorkerPort } from './phase.ts';

/** Starts a load process of its own for one client. */
export function forkWorker(target: TargetSpec): WorkerPort {
  const fromSource = import.meta.url.endsWith('.ts');
  const script = fileURLToPath(
    fromSource ? new URL('./worker.ts', import.meta.url) : new URL('./worker.js', import.meta.url),
  );
  const child = fork(script, [JSON.stringify(target)], {
    serialization: 'advanced',
    execArgv: fromSource ? ['--conditions=development', '--disable-warning=ExperimentalWarning'] : [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return {
    send: (command) => {
      if (child.connected) child.send(command, () => {});
    },
    onEvent: (listener) => {
      child.on('message', (event) => listener(event as WorkerEvent));
    },
    onExit: (listener) => {
      child.once('error', (error) => listener(error.message));
      child.once('exit', (code, signal) => {
        listener(signal === null ? `exited with code ${code}` : `was ended by ${signal}`);
      });
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}
