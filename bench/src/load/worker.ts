/** Entry of a load process: commands come and events go over the channel to the coordinator. */
import { connectTarget } from '../targets/connect.ts';
import type { TargetSpec } from '../targets/target.ts';
import { LoadWorker } from './loadWorker.ts';
import type { WorkerCommand, WorkerEvent } from './phase.ts';

const send = process.send?.bind(process);
const spec = process.argv[2];
if (send === undefined || spec === undefined) {
  process.stderr.write('worker: started by synccluster-bench, not by hand\n');
  process.exit(2);
}
const target = JSON.parse(spec) as TargetSpec;
const worker = new LoadWorker(
  () => connectTarget(target),
  (event: WorkerEvent) => {
    send(event);
  },
);

process.on('message', (command: WorkerCommand) => {
  void worker.handle(command).then(() => {
    if (command.type === 'close') process.disconnect();
  });
});
// The coordinator is gone: nobody wants this load any more.
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole foreground group; the coordinator decides what ends when.
process.on('SIGINT', () => {});
