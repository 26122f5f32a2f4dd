import type { Target } from '../targets/target.ts';
import { LoadWorker } from './loadWorker.ts';
import type { WorkerEvent, WorkerPort } from './phase.ts';

/** A client in this very process, for targets that several clients share in memory. */
export function inlineWorker(connect: () => Promise<Target>): WorkerPort {
  const events: ((event: WorkerEvent) => void)[] = [];
  const exits: ((reason: string) => void)[] = [];
  const worker = new LoadWorker(connect, (event) => {
    for (const listener of events) listener(event);
  });
  return {
    send: (command) => {
      void worker.handle(command).then(() => {
        if (command.type === 'close') for (const listener of exits) listener('closed');
      });
    },
    onEvent: (listener) => events.push(listener),
    onExit: (listener) => exits.push(listener),
    kill: () => {},
  };
}
