import { join, relative } from 'node:path';
import type { ConfigMap } from '../api/kinds.ts';
import { API_VERSION } from '../api/syncCluster.ts';
import { isObject, listAt, stringAt } from './json.ts';
import { CONFIG_MAPS, PODS } from './kinds.ts';
import type { LocalRuntime } from './localRuntime.ts';
import type { Told } from './manifestFiles.ts';
import type { StoredObject } from './objects.ts';
import { writeResultFiles } from './resultFiles.ts';

/** Says where clients find a cluster, once it can be used. The answer ends it. */
export function announceAddresses(runtime: LocalRuntime, tell: (line: string) => void): () => void {
  const clusters = runtime.store.kinds.ofKind(API_VERSION, 'SyncCluster');
  if (clusters === undefined) return () => undefined;
  const told = new Set<string>();
  const look = (): void => {
    for (const cluster of runtime.store.list(clusters)) {
      const { namespace, name, uid } = cluster.metadata;
      // Both, for a status may be of an earlier run, and a pod's readiness says nothing about leaders.
      if (told.has(uid) || !isTrue(cluster, 'Available')) continue;
      if (runtime.endpoints(namespace, name, 'client').length === 0) continue;
      told.add(uid);
      void runtime.clientPorts(namespace, name).then((ports) => {
        if (ports === null) tell(`${name}: no free ports on 127.0.0.1 for clients`);
        else tell(`${name}: clients 127.0.0.1:${ports.client}, http://127.0.0.1:${ports.http}/docs`);
      });
    }
  };
  look();
  return runtime.store.onChange(({ kind }) => {
    if (kind === clusters || kind === PODS) look();
  });
}

/** Puts the results of a SyncBenchmark that ended where people can open them, and says where. The answer ends it. */
export function announceResults(runtime: LocalRuntime, told: Told): () => void {
  return runtime.store.onChange(({ before, after }) => {
    if (after === null || after.kind !== 'SyncBenchmark') return;
    if (!isTrue(after, 'Complete') || (before !== null && isTrue(before, 'Complete'))) return;
    const { namespace, name } = after.metadata;
    const configMap = stringAt(after, 'status', 'resultsConfigMap');
    if (configMap === undefined) return;
    const found = runtime.store.get(CONFIG_MAPS, { namespace, name: configMap });
    if (found === null) return;
    const folder = namespace === 'default' ? name : join(namespace, name);
    try {
      const files = writeResultFiles(
        found as unknown as ConfigMap,
        join(runtime.directory, 'results', folder),
      );
      if (files.length === 0) return;
      const stored = join(runtime.directory, 'objects', 'configmaps', namespace, `${configMap}.yaml`);
      told.info(`${name}: results in ConfigMap ${configMap} (${shown(stored)})`);
      const report = files.find((file) => file.endsWith('report.html'));
      if (report !== undefined) told.info(`${name}: report ${shown(report)}`);
    } catch (error) {
      told.problem(
        `${name}: the results could not be written: ${error instanceof Error ? error.message : error}`,
      );
    }
  });
}

function isTrue(object: StoredObject, type: string): boolean {
  return listAt(object, 'status', 'conditions').some(
    (condition) => isObject(condition) && condition['type'] === type && condition['status'] === 'True',
  );
}
function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}
