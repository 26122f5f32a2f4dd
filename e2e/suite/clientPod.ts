import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { defaultOptions, ROOT } from '../images/build.ts';
import { waitUntil } from '../rig/condition.ts';
import type { CallAnswers, WriterCounts, WriterResult } from './client/answers.ts';
import type { Namespace } from './kubernetes.ts';

const POD = 'client';
const SOURCES = join(ROOT, 'e2e/suite/client');
/** Below the packages of the image, so that the program finds the client library. */
const PLACE = '/opt/synccluster/e2e';

/** That of the benchmark has the client library. */
export function clientImage(): string {
  const { repository, tag, products } = defaultOptions();
  const bench = products.find(({ name }) => name === 'bench');
  if (bench === undefined) throw new Error('there is no image with the client library');
  return `${repository}/${bench.name}:${tag}`;
}

function manifest(image: string, node: string | undefined): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: POD },
    spec: {
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      ...(node === undefined ? {} : { nodeName: node }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: POD,
          image,
          command: ['node', '--eval', 'setInterval(() => {}, 1e9)'],
          volumeMounts: [{ name: 'program', mountPath: PLACE }],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
        },
      ],
      volumes: [{ name: 'program', configMap: { name: POD } }],
    },
  };
}

/** An application beside the cluster: a pod of its own with the client library. */
export class ClientPod {
  readonly #namespace: Namespace;
  readonly #cluster: string;

  private constructor(namespace: Namespace, cluster: string) {
    this.#namespace = namespace;
    this.#cluster = cluster;
  }

  /** On a certain node, or wherever there is room. */
  static async start(
    namespace: Namespace,
    cluster: string,
    image = clientImage(),
    node?: string,
  ): Promise<ClientPod> {
    await namespace.kubectl(['create', 'configmap', POD, `--from-file=${SOURCES}`]);
    await namespace.kubectl(['apply', '--filename', '-'], JSON.stringify(manifest(image, node)));
    await namespace.kubectl(['wait', '--for=condition=Ready', '--timeout=2m', `pod/${POD}`]);
    return new ClientPod(namespace, cluster);
  }

  async remove(): Promise<void> {
    await this.#namespace.kubectl(['delete', `pod/${POD}`, `configmap/${POD}`, '--timeout=1m']);
  }

  use(): Promise<CallAnswers['use']> {
    return this.#call('use', [`${this.#cluster}:7400`]);
  }
  recall(): Promise<CallAnswers['recall']> {
    return this.#call('recall', [`${this.#cluster}:7400`]);
  }
  /** Leaves messages, entries and a lock that was held behind. */
  leave(): Promise<CallAnswers['leave']> {
    return this.#call('leave', [`${this.#cluster}:7400`]);
  }
  /** What is there of what was left; it stays there. */
  find(): Promise<CallAnswers['find']> {
    return this.#call('find', [`${this.#cluster}:7400`]);
  }
  /** Every group as its leader among the first `members` has it. */
  groups(members: number): Promise<CallAnswers['groups']> {
    return this.#call('groups', [`${this.#cluster}-peers.${this.#namespace.name}.svc`, String(members)]);
  }

  /** What the volumes of the first `members` hold, as those say themselves. */
  volumes(members: number): Promise<CallAnswers['volumes']> {
    return this.#call('volumes', [`${this.#cluster}-peers.${this.#namespace.name}.svc`, String(members)]);
  }

  startWriter(): RemoteWriter {
    const { kubeconfig, kubectl } = this.#namespace.access;
    const where = ['--kubeconfig', kubeconfig, '--namespace', this.#namespace.name];
    const what = ['exec', '--stdin', POD, '--', 'node', `${PLACE}/main.ts`, 'write', `${this.#cluster}:7400`];
    return new RemoteWriter(spawn(kubectl, [...where, ...what], { stdio: ['pipe', 'pipe', 'pipe'] }));
  }

  async #call<K extends keyof CallAnswers>(call: K, args: readonly string[]): Promise<CallAnswers[K]> {
    const what = ['exec', POD, '--', 'node', `${PLACE}/main.ts`, call, ...args];
    return JSON.parse(await this.#namespace.kubectl(what)) as CallAnswers[K];
  }
}

/** Writes in the client's pod until it is stopped. */
export class RemoteWriter {
  readonly #child: ChildProcess;
  #counts: WriterCounts = { messages: 0, puts: 0, locks: 0, longestGapMs: 0 };
  #result: WriterResult | null = null;
  #ended: string | null = null;
  #errors = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors = (this.#errors + chunk).slice(-4_096);
    });
    child.stdin?.on('error', () => {}); // Its end is told by the process.
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const told = JSON.parse(line) as WriterCounts | { result: WriterResult };
      if ('result' in told) this.#result = told.result;
      else this.#counts = told;
    });
    child.on('error', (error) => {
      this.#ended = error.message;
    });
    child.on('close', (code, signal) => {
      this.#ended = `it ended with ${signal ?? code}: ${this.#errors}`;
    });
  }

  get counts(): WriterCounts {
    return this.#counts;
  }

  /** Waits until each primitive has had so many more acknowledgements. */
  async progress(more: number, timeoutMs: number): Promise<void> {
    const from = this.#counts;
    await waitUntil(
      `${more} more writes of each kind`,
      () =>
        this.#counts.messages >= from.messages + more &&
        this.#counts.puts >= from.puts + more &&
        this.#counts.locks >= from.locks + more,
      { timeoutMs, hopeless: () => this.#ended },
    );
  }

  mark(): void {
    this.#child.stdin?.write('mark\n');
  }

  /** What was acknowledged, and what of it is missing. */
  async stop(): Promise<WriterResult> {
    this.#child.stdin?.write('stop\n');
    await waitUntil('the end of the writer', () => this.#result !== null, {
      timeoutMs: 120_000,
      hopeless: () => (this.#result === null ? this.#ended : null),
    });
    return this.#result!;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
