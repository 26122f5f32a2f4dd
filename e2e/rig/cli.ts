import { parseArgs } from 'node:util';
import { bringDown } from './down.ts';
import { exclusively } from './exclusive.ts';
import { timedReport } from './progress.ts';
import { bringUp } from './rig.ts';
import { EXPORT_LINE } from './tools.ts';

const HELP = `Starts and ends a Kubernetes on this machine, without Docker and without any registry of images.

Usage: npm run e2e:up      start it, or find it running; prints a line for your shell, after which kubectl and helm
                           are there and mean it: eval "$(npm run --silent e2e:up)" does both
       npm run e2e:down    end it and take away all it brought; what took long to build stays in the cache

Two nodes, each a kubelet with a containerd of its own; etcd, API server, controller manager, scheduler, kube-proxy,
CoreDNS and a provisioner of volumes run as processes. Needs Linux with Debian's packages, root, and, on the first
run, Go. "npm run images -- --on rig" builds the images of this checkout and puts them into its nodes; tests run on it
by "npm run e2e", or on any other cluster that KUBECONFIG names.

  -h, --help          this text

Cache: \${XDG_CACHE_HOME:-~/.cache}/synccluster-e2e. While it runs: /var/lib/synccluster-e2e (logs/ in it).`;

const COMMANDS = { up, down };

async function up(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted());
  await bringUp(report);
  report('Kubernetes is ready; for kubectl and helm on it type:');
  process.stdout.write(`${EXPORT_LINE}\n`);
}

/** What was started goes on without this process, and is on record: the next start or end takes it away. */
function interrupted(): never {
  process.stderr.write('interrupted; "npm run e2e:down" takes away what was started\n');
  process.exit(130);
}

async function down(): Promise<void> {
  await exclusively(() => bringDown(report));
  report('nothing of it runs');
}

function chosenCommand(): keyof typeof COMMANDS | 'help' {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h', default: false } },
  });
  if (values.help) return 'help';
  const [command, ...others] = positionals;
  if ((command === 'up' || command === 'down') && others.length === 0) return command;
  throw new Error(`expected "up" or "down", got "${positionals.join(' ')}"`);
}

const report = timedReport();
let command: ReturnType<typeof chosenCommand>;
try {
  command = chosenCommand();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message.split('\n')[0] : String(error)}\n`);
  process.exit(2);
}
if (command === 'help') process.stdout.write(`${HELP}\n`);
else {
  try {
    await COMMANDS[command]();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
