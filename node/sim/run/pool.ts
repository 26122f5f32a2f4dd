import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Report, Task } from './worker.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const PLANTER = new URL('../mutants/register.ts', import.meta.url).href;

/** Processes that run seeds, as many at a time as there are. */
export class Pool {
  readonly #mutant: string | null;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();

  constructor(mutant: string | null) {
    this.#mutant = mutant;
  }

  /** Rejects when the process that ran it ended: that is a fault of the simulator. */
  run(task: Task): Promise<Report> {
    const worker = this.#idle.pop() ?? this.#fork();
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => {
        this.#all.delete(worker);
        reject(new Error(`the process that ran seed ${task.seed} ended with ${String(code)}`));
      };
      worker.once('exit', ended);
      worker.once('message', (report) => {
        worker.off('exit', ended);
        this.#idle.push(worker);
        resolve(report as Report);
      });
      worker.send(task);
    });
  }

  close(): void {
    for (const worker of this.#all) worker.kill('SIGKILL');
  }

  #fork(): ChildProcess {
    const mutant = this.#mutant;
    const worker = fork(WORKER, [], {
      // The sources themselves are run: a mutant is planted in them as they are loaded.
      execArgv: [
        '--conditions=development',
        '--max-semi-space-size=32',
        ...(mutant === null ? [] : ['--import', PLANTER]),
      ],
      env: { ...process.env, SYNCCLUSTER_MUTANT: mutant ?? '' },
    });
    this.#all.add(worker);
    return worker;
  }
}
