import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { VirtualClock } from '../testing/virtualClock.ts';
import { loadKubeConfig, ownNamespace } from './connect.ts';
import { Credentials } from './credentials.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'synccluster-kubeconfig-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function kubeconfig(user: object, change: { cluster?: object; currentContext?: string } = {}): string {
  const path = join(directory, 'kubeconfig');
  const server = { server: 'https://127.0.0.1:6443/', ...change.cluster };
  writeFileSync(
    path,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster: server }],
      users: [{ name: 'u', user }],
      contexts: [
        { name: 'one', context: { cluster: 'c', user: 'u', namespace: 'here' } },
        { name: 'two', context: { cluster: 'c', user: 'u' } },
      ],
      'current-context': change.currentContext ?? 'one',
    }),
  );
  return path;
}
function credentialsOf(
  user: object,
  cluster: object = {},
): { credentials: Credentials; clock: VirtualClock } {
  const path = kubeconfig(user, { cluster });
  const clock = new VirtualClock();
  return { credentials: new Credentials(() => loadKubeConfig({ kubeconfig: path }), clock), clock };
}

describe('loadKubeConfig', () => {
  it('takes the file it is given, else the one that KUBECONFIG names', () => {
    const path = kubeconfig({ token: 't' });
    const more = join(directory, 'more');
    writeFileSync(more, stringify({ clusters: [], users: [], contexts: [], 'current-context': 'other' }));
    for (const config of [
      loadKubeConfig({ kubeconfig: path }, { KUBECONFIG: join(directory, 'absent') }),
      loadKubeConfig({}, { KUBECONFIG: path }),
      loadKubeConfig({}, { KUBECONFIG: `${path}:${more}` }),
    ])
      expect(config.getCurrentCluster()?.server).toBe('https://127.0.0.1:6443');
    expect(() => loadKubeConfig({ kubeconfig: join(directory, 'absent') }, { KUBECONFIG: path })).toThrow(
      'absent',
    );
  });

  it('takes the context it is told, and its namespace', () => {
    const path = kubeconfig({ token: 't' });
    expect(ownNamespace(loadKubeConfig({ kubeconfig: path }))).toBe('here');
    expect(ownNamespace(loadKubeConfig({ kubeconfig: path, context: 'two' }))).toBe('default');
    expect(() => loadKubeConfig({ kubeconfig: path, context: 'three' })).toThrow(
      'context three is not in the kubeconfig; it has one, two',
    );
  });

  it('refuses a file without a current cluster', () => {
    const path = kubeconfig({ token: 't' }, { currentContext: 'gone' });
    expect(() => loadKubeConfig({ kubeconfig: path })).toThrow('no current cluster');
  });
});

describe('Credentials', () => {
  it('log in with a token, or with a name and password', async () => {
    const { credentials } = credentialsOf({ token: 'secret' });
    expect(await credentials.current()).toMatchObject({
      server: 'https://127.0.0.1:6443',
      headers: { authorization: 'Bearer secret' },
    });
    await credentials.close();
    const other = credentialsOf({ username: 'a', password: 'b' }).credentials;
    expect((await other.current()).headers['authorization']).toBe(`Basic ${btoa('a:b')}`);
    await other.close();
  });

  it('log in by a plugin, once for many requests', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
    const count = join(directory, 'count');
    const script = `require('fs').appendFileSync(${JSON.stringify(count)}, 'x');
      const runs = require('fs').readFileSync(${JSON.stringify(count)}).length;
      console.log(JSON.stringify({...${JSON.stringify(credential)}, status: {token: 'run-' + runs}}))`;
    const { credentials, clock } = credentialsOf({
      exec: { apiVersion: credential.apiVersion, command: process.execPath, args: ['-e', script] },
    });
    const all = await Promise.all([credentials.current(), credentials.current(), credentials.current()]);
    expect(all.map(({ headers }) => headers['authorization'])).toEqual(Array(3).fill('Bearer run-1'));
    await clock.advance(60_000);
    const later = await credentials.current();
    expect(later.headers['authorization']).toBe('Bearer run-1');
    // Refused by the server: asked again.
    expect(await credentials.renew(later)).toBe(true);
    expect((await credentials.current()).headers['authorization']).toBe('Bearer run-2');
    await credentials.close();
  });

  it('tell what a plugin that fails said, and try it again', async () => {
    const { credentials } = credentialsOf({
      exec: { command: process.execPath, args: ['-e', 'console.error("log in first"); process.exit(1)'] },
    });
    for (let i = 0; i < 2; i++) await expect(credentials.current()).rejects.toThrow('log in first');
    await credentials.close();
  });

  it('keep one pool of connections until certificates change', async () => {
    const ca = join(directory, 'ca.crt');
    writeFileSync(ca, 'one');
    const { credentials, clock } = credentialsOf({ token: 't' }, { 'certificate-authority': ca });
    const { dispatcher } = await credentials.current();
    await clock.advance(60_000);
    expect((await credentials.current()).dispatcher).toBe(dispatcher);
    writeFileSync(ca, 'two');
    await clock.advance(60_000);
    expect((await credentials.current()).dispatcher).not.toBe(dispatcher);
    await credentials.close();
    await expect(credentials.current()).rejects.toThrow('closed');
  });

  it('refuse to send secrets over plain HTTP unless told that it is meant', async () => {
    const plain = credentialsOf({ token: 't' }, { server: 'http://127.0.0.1:1' }).credentials;
    await expect(plain.current()).rejects.toThrow('HTTP protocol is not allowed');
    await plain.close();
  });

  it('take a proxy', async () => {
    for (const proxy of ['http://127.0.0.1:3128', 'socks5://127.0.0.1:1080']) {
      const { credentials } = credentialsOf({ token: 't' }, { 'proxy-url': proxy });
      expect((await credentials.current()).dispatcher).toBeDefined();
      await credentials.close();
    }
  });
});
