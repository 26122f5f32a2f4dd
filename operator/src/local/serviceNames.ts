import { join } from 'node:path';
import type { LocalLogger } from './controlLoop.ts';
import { at, isObject, listAt, numberAt, objectAt, stringAt } from './json.ts';
import { PODS, SERVICES } from './kinds.ts';
import { writeFileAtomically } from './objectFiles.ts';
import type { ObjectStore } from './objectStore.ts';
import { isDeleting, matchesLabels, type StoredObject } from './objects.ts';
import { podIsReady } from './podState.ts';

export interface Endpoint {
  readonly pod: string;
  readonly host: string;
  /** Of the Service's port named so, or its first. */
  readonly port: number;
}

/** The pods behind a Service: the ready ones, or all with an address when it publishes those too. */
export function endpointsOf(store: ObjectStore, service: StoredObject, portName?: string): Endpoint[] {
  const selector = objectAt(service, 'spec', 'selector') as Record<string, string> | undefined;
  if (selector === undefined || Object.keys(selector).length === 0) return [];
  const all = at(service, 'spec', 'publishNotReadyAddresses') === true;
  const ports = listAt(service, 'spec', 'ports').filter(isObject);
  const port = ports.find((item) => portName === undefined || item['name'] === portName);
  return store
    .list(PODS, { namespace: service.metadata.namespace })
    .filter((pod) => matchesLabels(pod, selector) && (all || (podIsReady(pod) && !isDeleting(pod))))
    .flatMap((pod) => {
      const host = stringAt(pod, 'status', 'podIP');
      return host === undefined
        ? []
        : [{ pod: pod.metadata.name, host, port: targetPort(pod, port?.['targetPort'] ?? port?.['port']) }];
    });
}

function targetPort(pod: StoredObject, target: unknown): number {
  const declared = listAt(pod, 'spec', 'containers')
    .flatMap((container) => listAt(container, 'ports'))
    .filter(isObject);
  const found = declared.find((item) => item['name'] === target || item['containerPort'] === target);
  return numberAt(found, 'containerPort') ?? (typeof target === 'number' ? target : 0);
}

/**
 * The names of Services and of their pods, as a file of `address name` lines: what DNS is in a cluster. Written some
 * time after a change, so that names are stale for a moment, as they are there. A changed pod's old line stays until
 * then, and so does that of a Service whose pod is gone.
 */
export class ServiceNames {
  readonly file: string;
  readonly #store: ObjectStore;
  readonly #delayMs: number;
  readonly #logger: LocalLogger;
  readonly #unsubscribe: () => void;
  #timer: NodeJS.Timeout | null = null;
  #written: string | null = null;

  constructor(store: ObjectStore, directory: string, delayMs: number, logger: LocalLogger) {
    this.#store = store;
    this.file = join(directory, 'hosts');
    this.#delayMs = delayMs;
    this.#logger = logger;
    this.#unsubscribe = store.onChange(({ kind }) => {
      if (kind === PODS || kind === SERVICES) this.#schedule();
    });
    // Programs may read it before the first change.
    this.#write();
  }

  stop(): void {
    this.#unsubscribe();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(): void {
    // Not pushed back by later changes: a restless pod must not keep the others' names from being written.
    this.#timer ??= setTimeout(() => this.#write(), this.#delayMs);
  }

  #write(): void {
    this.#timer = null;
    const content = this.#lines().join('');
    if (content === this.#written) return;
    try {
      writeFileAtomically(this.file, content);
      this.#written = content;
    } catch (error) {
      this.#logger.warn({ err: error }, 'the hosts file could not be written, will try again');
      this.#schedule();
    }
  }

  #lines(): string[] {
    const lines: string[] = [];
    for (const service of this.#store.list(SERVICES)) {
      const { name, namespace } = service.metadata;
      const pods = endpointsOf(this.#store, service).flatMap((endpoint) => {
        const pod = this.#store.get(PODS, { namespace, name: endpoint.pod });
        return pod === null ? [] : [{ pod, host: endpoint.host }];
      });
      const first = pods[0];
      if (first !== undefined)
        lines.push(linesFor(first.host, [`${name}.${namespace}.svc`, `${name}.${namespace}`]));
      if (stringAt(service, 'spec', 'clusterIP') !== 'None') continue;
      for (const { pod, host } of pods) {
        if (stringAt(pod, 'spec', 'subdomain') !== name) continue;
        lines.push(
          linesFor(host, [
            `${stringAt(pod, 'spec', 'hostname') ?? pod.metadata.name}.${name}.${namespace}.svc`,
          ]),
        );
      }
    }
    return lines;
  }
}

function linesFor(host: string, names: readonly string[]): string {
  return names
    .flatMap((name) => (name.endsWith('.svc') ? [name, `${name}.cluster.local`] : [name]))
    .map((name) => `${host} ${name}\n`)
    .join('');
}
