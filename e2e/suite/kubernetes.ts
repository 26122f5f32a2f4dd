import { CommandError, run } from '../rig/command.ts';
import type { SuiteAccess } from './access.ts';
import { parsePrinted } from './printedTable.ts';

export interface ListedObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly generation?: number;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly { readonly apiVersion: string; readonly kind: string }[];
  };
}
export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message?: string;
}
export interface PodObject extends ListedObject {
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly { readonly containerID?: string; readonly restartCount: number }[];
  };
}
export interface ClusterObject extends ListedObject {
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly clusterId?: string;
    readonly leader?: string;
    readonly memberStatuses?: readonly {
      readonly podName: string;
      readonly role: string;
      readonly ready: string;
      readonly message?: string;
    }[];
    readonly conditions?: readonly Condition[];
  };
}
export interface ConfigMapObject extends ListedObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** One namespace, by kubectl as a person would use it. */
export class Namespace {
  readonly name: string;
  readonly access: SuiteAccess;

  constructor(access: SuiteAccess, name: string) {
    this.access = access;
    this.name = name;
  }

  kubectl(args: readonly string[], stdin?: string): Promise<string> {
    const all = ['--kubeconfig', this.access.kubeconfig, '--namespace', this.name, ...args];
    return run(this.access.kubectl, all, {
      timeoutMs: 300_000,
      ...(stdin === undefined ? {} : { stdin }),
    });
  }

  /** An empty one that enforces the restricted Pod Security level, whatever was in it before. */
  async recreate(): Promise<void> {
    await this.remove('--timeout=4m');
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.name, labels } };
    await this.kubectl(['create', '--filename', '-'], JSON.stringify(namespace));
  }
  /** Others go on meanwhile: Kubernetes takes a quarter of a minute for it. */
  async remove(wait = '--wait=false'): Promise<void> {
    await this.kubectl(['delete', 'namespace', this.name, '--ignore-not-found', wait]);
  }

  async get<T extends ListedObject>(resource: string): Promise<T> {
    return JSON.parse(await this.kubectl(['get', resource, '--output', 'json'])) as T;
  }

  async list<T extends ListedObject>(kinds: string, selector?: string): Promise<T[]> {
    const args = [
      'get',
      kinds,
      '--output',
      'json',
      ...(selector === undefined ? [] : ['--selector', selector]),
    ];
    return (JSON.parse(await this.kubectl(args)) as { items: T[] }).items;
  }

  /** What kubectl says when it is refused; to be accepted is an error. */
  async refusal(args: readonly string[], stdin?: string): Promise<string> {
    try {
      await this.kubectl(args, stdin);
    } catch (error) {
      if (error instanceof CommandError) return error.stderr;
      throw error;
    }
    throw new Error(`accepted: kubectl ${args.join(' ')}`);
  }

  /** The one row that `kubectl get` prints of an object. */
  async printed(resource: string): Promise<Record<string, string>> {
    const rows = parsePrinted(await this.kubectl(['get', resource]));
    if (rows.length !== 1) throw new Error(`kubectl get ${resource} printed ${rows.length} rows`);
    return rows[0]!;
  }
}

export function conditionOf(
  object: { readonly status?: { readonly conditions?: readonly Condition[] } },
  type: string,
): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type);
}
export function isReady(pod: PodObject): boolean {
  return conditionOf(pod, 'Ready')?.status === 'True';
}
