import { parseArgs } from 'node:util';
import { timedReport } from '../rig/progress.ts';
import { deleteKindCluster, kindCluster, rigCluster, whyNoKind } from './clusters.ts';
import { applyCluster, installOperator, runBenchmark } from './story.ts';

const HELP = `The whole of SyncCluster on Kubernetes in one command: a kind cluster, the images of this checkout in it, the chart
installed and tested, examples/cluster.yaml applied, examples/benchmark.yaml run. What exists already is used again.

Usage: npm run kind [-- OPTIONS]

  --on kind|rig   kind (default): needs Docker, kind, kubectl and helm. rig: the same steps on the Kubernetes that
                  npm run e2e:up starts, without Docker (needs Linux with Debian's packages, and root)
  --delete        delete the kind cluster (the rig: npm run e2e:down)
  -h, --help      this text`;

async function main(argv: readonly string[]): Promise<number> {
  const report = timedReport();
  let on: string;
  let isDeletion: boolean;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        on: { type: 'string', default: 'kind' },
        delete: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${HELP}\n`);
      return 0;
    }
    on = values.on;
    isDeletion = values.delete;
    if (on !== 'kind' && on !== 'rig') throw new Error(`--on must be kind or rig, but is ${on}`);
    if (isDeletion && on === 'rig') throw new Error('npm run e2e:down ends the rig');
  } catch (error) {
    process.stderr.write(
      `${error instanceof Error ? error.message.split('\n')[0] : String(error)} (--help explains)\n`,
    );
    return 2;
  }
  try {
    if (on === 'kind') {
      const missing = await whyNoKind();
      if (missing !== null) {
        process.stderr.write(
          `npm run kind cannot run here, for it needs ${missing}; without Docker: npm run kind -- --on rig\n`,
        );
        return 1;
      }
      if (isDeletion) {
        await deleteKindCluster(report);
        return 0;
      }
    }
    const access = on === 'kind' ? await kindCluster(report) : await rigCluster(report);
    // The tag is that of the release each time: without a change to its pods Kubernetes would keep the old image.
    await installOperator(access, [`podAnnotations.builtAt=${new Date().toISOString()}`], report);
    process.stdout.write(await applyCluster(access, 'examples/cluster.yaml', report));
    process.stdout.write(`${await runBenchmark(access, 'examples/benchmark.yaml', report)}\n`);
    report(`look around: export KUBECONFIG=${access.kubeconfig}`);
    report(`take it away: ${on === 'kind' ? 'npm run kind -- --delete' : 'npm run e2e:down'}`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
