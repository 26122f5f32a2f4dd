import { describe, expect, it } from 'vitest';
import { applyMerge, type FieldManager, ownedAfterUpdate } from './applyMerge.ts';
import type { JsonObject } from './json.ts';
import { builtInListTypes as types } from './listTypes.ts';

/** Applies one after the other, as `[manager, object]`, and answers the last object. */
function apply(...steps: readonly [string, JsonObject][]): JsonObject {
  let object: JsonObject = {};
  let managers: readonly FieldManager[] = [];
  for (const [manager, applied] of steps)
    ({ object, managers } = applyMerge(object, applied, manager, managers, types));
  return object;
}

describe('server-side apply', () => {
  it('removes a container with the last field that made it', () => {
    expect(
      apply(['a', { metadata: { annotations: { x: '1' } }, data: { k: 'v' } }], ['a', { data: { k: 'v' } }]),
    ).toEqual({
      metadata: {},
      data: { k: 'v' },
    });
  });

  it('keeps a container that another manager fills', () => {
    const object = apply(
      ['a', { metadata: { labels: { x: '1' } } }],
      ['b', { metadata: { labels: { y: '2' } } }],
      ['a', { metadata: {} }],
    );
    expect(object).toEqual({ metadata: { labels: { y: '2' } } });
  });

  it('keeps a field with an equal value that both named until neither names it', () => {
    const both = [
      ['a', { data: { x: '1' } }],
      ['b', { data: { x: '1' } }],
    ] as [string, JsonObject][];
    expect(apply(...both, ['a', { data: {} }])).toEqual({ data: { x: '1' } });
    expect(apply(...both, ['a', { data: {} }], ['b', { data: {} }])).toEqual({ data: {} });
  });

  const pod = (...containers: JsonObject[]): JsonObject => ({ spec: { containers } });
  it('merges containers, variables and ports by their keys', () => {
    const object = apply(
      [
        'a',
        pod({
          name: 'm',
          image: '1',
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
        }),
      ],
      [
        'b',
        pod(
          { name: 'm', ports: [{ containerPort: 80, protocol: 'TCP', name: 'http' }] },
          { name: 'side', image: 's' },
        ),
      ],
      ['a', pod({ name: 'm', image: '2', env: [{ name: 'Y', value: '3' }] })],
    );
    expect(object).toEqual(
      pod(
        {
          name: 'm',
          image: '2',
          env: [{ name: 'Y', value: '3' }],
          ports: [{ containerPort: 80, protocol: 'TCP', name: 'http' }],
        },
        { name: 'side', image: 's' },
      ),
    );
  });

  it('removes an element nobody names any more, with what the server filled in', () => {
    const first = applyMerge({}, pod({ name: 'm' }, { name: 'old' }), 'a', [], types);
    const filled = pod({ name: 'm', pull: 'Always' }, { name: 'old', pull: 'Always' });
    expect(applyMerge(filled, pod({ name: 'm' }), 'a', first.managers, types).object).toEqual(
      pod({ name: 'm', pull: 'Always' }),
    );
  });

  it('replaces other lists whole, and selectors too', () => {
    const spec = (args: string[], selector: JsonObject): JsonObject => ({ spec: { args, selector } });
    expect(apply(['a', spec(['1', '2'], { x: '1' })], ['b', spec(['3'], { y: '1' })])).toEqual(
      spec(['3'], { y: '1' }),
    );
  });

  it('empties a list of owners that is applied as empty', () => {
    const owner = { apiVersion: 'v1', kind: 'K', name: 'n', uid: 'u' };
    const object = apply(
      ['a', { metadata: { ownerReferences: [owner] } }],
      ['a', { metadata: { ownerReferences: [] } }],
    );
    expect(object).toEqual({ metadata: { ownerReferences: [] } });
  });

  it('does not take back what a plain write changed, when it goes silent about it', () => {
    const applied = applyMerge({}, { spec: { replicas: 3, image: 'a' } }, 'a', [], types);
    const scaled = { spec: { replicas: 5, image: 'a' } };
    const managers = ownedAfterUpdate(applied.object, scaled, 'scaler', applied.managers, types);
    expect(applyMerge(scaled, { spec: { image: 'b' } }, 'a', managers, types).object).toEqual({
      spec: { replicas: 5, image: 'b' },
    });
  });
});
