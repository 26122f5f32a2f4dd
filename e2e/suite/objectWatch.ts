import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { waitUntil } from '../rig/condition.ts';
import type { ListedObject, Namespace } from './kubernetes.ts';

export interface WatchEvent<T extends ListedObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: T;
}

/** Sees every state that objects come to, however short, in the order in which they came to it. */
export class ObjectWatch<T extends ListedObject> {
  readonly events: WatchEvent<T>[] = [];
  readonly #child: ChildProcess;
  #ended: string | null = null;

  private constructor(namespace: Namespace, what: readonly string[]) {
    const { kubeconfig, kubectl } = namespace.access;
    const where = ['--kubeconfig', kubeconfig, '--namespace', namespace.name];
    const how = ['--watch', '--output-watch-events', '--output=json'];
    this.#child = spawn(kubectl, [...where, 'get', ...what, ...how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // Printed in one line each.
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.events.push(JSON.parse(line) as WatchEvent<T>);
    });
    this.#child.on('error', (error) => {
      this.#ended = error.message;
    });
    this.#child.on('close', (code, signal) => {
      this.#ended = `the watch ended with ${signal ?? code}`;
    });
  }

  /** Resolves once it has seen `existing` objects. */
  static async start<T extends ListedObject>(
    namespace: Namespace,
    what: readonly string[],
    existing: number,
  ): Promise<ObjectWatch<T>> {
    const watch = new ObjectWatch<T>(namespace, what);
    try {
      await watch.until('the watch', () => watch.events.length >= existing, 30_000);
    } catch (error) {
      watch.close();
      throw error;
    }
    return watch;
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }

  async until(what: string, seen: () => boolean, timeoutMs: number): Promise<void> {
    await waitUntil(what, seen, { timeoutMs, hopeless: () => this.#ended });
  }
}
