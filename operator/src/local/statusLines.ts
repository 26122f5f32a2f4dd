import { isObject, type JsonObject, listAt, numberAt, stringAt } from './json.ts';
import { EVENTS } from './kinds.ts';
import type { ObjectStore } from './objectStore.ts';
import type { StoredObject } from './objects.ts';

/** Told by the hundred and of no interest to who follows a cluster; they are in the store all the same. */
const PLUMBING = new Set(['Applied']);

/** One line on what is new about a SyncCluster or SyncBenchmark since `before`; null when nothing that shows. */
export function statusLine(before: StoredObject | null, after: StoredObject): string | null {
  const head = headOf(after);
  const changes = changesOf(before, after);
  if (before !== null && head === headOf(before) && changes.length === 0) return null;
  return [head, ...changes].join('  ');
}

function headOf(object: StoredObject): string {
  const members = numberAt(object, 'spec', 'members');
  const ready = numberAt(object, 'status', 'readyReplicas') ?? 0;
  const leader = stringAt(object, 'status', 'leader');
  const headline = stringAt(object, 'status', 'headline');
  return [
    nameOf(object),
    ...(members === undefined ? [] : [`${ready}/${members} ready`]),
    ...(leader === undefined ? [] : [`leader ${leader}`]),
    ...(headline === undefined ? [] : [headline]),
  ].join('  ');
}

/** Conditions that changed, those with the same explanation together: `Available=False Degraded=True NoLeader: …`. */
function changesOf(before: StoredObject | null, after: StoredObject): string[] {
  const old = new Set(conditionsOf(before).map((condition) => JSON.stringify(seen(condition))));
  const told = new Map<string, string[]>();
  for (const condition of conditionsOf(after)) {
    if (old.has(JSON.stringify(seen(condition)))) continue;
    const why = `${stringAt(condition, 'reason')}: ${stringAt(condition, 'message')}`;
    const what = `${stringAt(condition, 'type')}=${stringAt(condition, 'status')}`;
    told.set(why, [...(told.get(why) ?? []), what]);
  }
  return [...told].map(([why, what]) => `${what.join(' ')} ${why}`);
}
function conditionsOf(object: StoredObject | null): JsonObject[] {
  return listAt(object ?? {}, 'status', 'conditions').filter(isObject);
}
/** Of what is under way each step is told; of the others the reason says enough. */
function seen({ type, status, reason, message }: JsonObject): unknown {
  return [type, status, reason, type === 'Progressing' ? message : null];
}
function nameOf(object: StoredObject): string {
  return `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`;
}

/** Null when the status of what it is about has just said the same. */
function eventLine(store: ObjectStore, event: StoredObject): string | null {
  const [kindName, namespace, name, reason, note] = [
    stringAt(event, 'regarding', 'kind') ?? '',
    stringAt(event, 'regarding', 'namespace') ?? '',
    stringAt(event, 'regarding', 'name') ?? '',
    stringAt(event, 'reason') ?? '',
    stringAt(event, 'note'),
  ];
  if (PLUMBING.has(reason)) return null;
  const kind = store.kinds.ofKind(stringAt(event, 'regarding', 'apiVersion') ?? '', kindName);
  const about = kind === undefined ? null : store.get(kind, { namespace, name });
  if (conditionsOf(about).some((condition) => condition['message'] === note)) return null;
  return `${event['type'] === 'Warning' ? '! ' : ''}${kindName} ${namespace}/${name}  ${reason}: ${note}`;
}

/** Prints a line for every change that can be seen: of SyncClusters, SyncBenchmarks, and of events. */
export function printStatus(store: ObjectStore, print: (line: string) => void): () => void {
  return store.onChange(({ kind, before, after }) => {
    let line: string | null = null;
    if (kind === EVENTS) {
      // A repeated event is told once.
      if (before === null && after !== null) line = eventLine(store, after);
    } else if (kind.schema !== null) {
      if (after !== null) line = statusLine(before, after);
      else if (before !== null) line = `${nameOf(before)}  gone`;
    }
    if (line !== null) print(line);
  });
}
