import { isObject, listAt, numberAt, stringAt } from './json.ts';
import { EVENTS } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';

/** One line for a SyncCluster or SyncBenchmark, as `kubectl get` would show it. */
export function statusLine(object: StoredObject): string {
  const name = `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`;
  const conditions = listAt(object, 'status', 'conditions')
    .filter(isObject)
    .map(
      (condition) =>
        `${stringAt(condition, 'type')}=${stringAt(condition, 'status')}${reasonOf(stringAt(condition, 'reason'))}`,
    )
    .join(' ');
  const members = numberAt(object, 'spec', 'members');
  const ready = numberAt(object, 'status', 'readyReplicas') ?? 0;
  const leader = stringAt(object, 'status', 'leader');
  const headline = stringAt(object, 'status', 'headline');
  return [
    name,
    ...(members === undefined ? [] : [`${ready}/${members} ready`]),
    ...(leader === undefined ? [] : [`leader ${leader}`]),
    ...(conditions === '' ? [] : [conditions]),
    ...(headline === undefined ? [] : [headline]),
  ].join('  ');
}

function reasonOf(reason: string | undefined): string {
  return reason === undefined ? '' : `(${reason})`;
}

/** Prints a line for every change that can be seen: of SyncClusters, SyncBenchmarks, and of events. */
export function printStatus(store: ObjectStore, print: (line: string) => void): () => void {
  const shown = new Map<string, string>();
  return store.onChange(({ kind, before, after }) => {
    if (kind === EVENTS) {
      // A repeated event is told once.
      if (before !== null || after === null) return;
      const about = `${stringAt(after, 'regarding', 'kind')} ${stringAt(after, 'regarding', 'namespace')}/${stringAt(after, 'regarding', 'name')}`;
      const mark = after['type'] === 'Warning' ? '! ' : '';
      print(`${mark}${about}  ${stringAt(after, 'reason')}: ${stringAt(after, 'note')}`);
      return;
    }
    if (kind.schema === null) return;
    const object = after ?? before;
    if (object === null) return;
    const line =
      after === null
        ? `${kind.kind} ${object.metadata.namespace}/${object.metadata.name}  gone`
        : statusLine(after);
    if (shown.get(object.metadata.uid) === line) return;
    if (after === null) shown.delete(object.metadata.uid);
    else shown.set(object.metadata.uid, line);
    print(line);
  });
}
