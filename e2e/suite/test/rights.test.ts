import { expect, test } from 'vitest';
import type { AuditedRequest } from '../auditLog.ts';
import { rightsOf, rightsUsed } from '../rights.ts';

const request = (
  verb: string,
  objectRef: AuditedRequest['objectRef'],
  code = 200,
  message?: string,
): AuditedRequest => ({
  auditID: '1',
  user: { username: 'operator' },
  verb,
  requestURI: '/',
  ...(objectRef === undefined ? {} : { objectRef }),
  requestReceivedTimestamp: '2030-01-01T00:00:00Z',
  responseStatus: { code, ...(message === undefined ? {} : { message }) },
});

test('rules are taken apart into single rights', () => {
  const rules = [
    { apiGroups: ['apps'], resources: ['statefulsets', 'statefulsets/scale'], verbs: ['get', 'update'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['one'] },
  ];
  expect(rightsOf(rules)).toEqual([
    'get pods',
    'get statefulsets.apps',
    'get statefulsets/scale.apps',
    'update statefulsets.apps',
    'update statefulsets/scale.apps',
  ]);
  expect(() => rightsOf([{ apiGroups: ['*'], resources: ['pods'], verbs: ['get'] }])).toThrow('get pods.*');
});

test('a request uses the right to what it did, and to create where an apply created', () => {
  const scale = { apiGroup: 'apps', resource: 'statefulsets', subresource: 'scale' };
  expect(rightsUsed(request('update', scale, 409))).toEqual(['update statefulsets/scale.apps']);
  expect(rightsUsed(request('patch', { resource: 'configmaps' }))).toEqual(['patch configmaps']);
  expect(rightsUsed(request('patch', { resource: 'services' }, 201))).toEqual([
    'patch services',
    'create services',
  ]);
  expect(rightsUsed(request('create', { apiGroup: 'batch', resource: 'jobs' }, 201))).toEqual([
    'create jobs.batch',
    'update syncbenchmarks/finalizers.synccluster.io',
  ]);
});

test('a patch of what may be adopted uses the right to delete it, unless it was created or refused', () => {
  expect(rightsUsed(request('patch', { resource: 'services' }))).toEqual([
    'patch services',
    'delete services',
  ]);
  expect(rightsUsed(request('patch', { resource: 'services' }, 409))).toEqual(['patch services']);
  expect(rightsUsed(request('patch', { resource: 'services' }, 403, 'forbidden'))).toEqual([]);
});

test('a refused request used no right, but one in a namespace that ends did', () => {
  expect(rightsUsed(request('get', { resource: 'secrets' }, 403, 'secrets is forbidden'))).toEqual([]);
  const ending = 'unable to create new content in namespace a because it is being terminated';
  expect(rightsUsed(request('create', { resource: 'configmaps' }, 403, ending))).toEqual([
    'create configmaps',
  ]);
  expect(rightsUsed(request('get', undefined))).toEqual([]);
});
