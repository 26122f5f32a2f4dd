import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { helpText, loadConfig, type MemberConfig, wantsHelp } from './config.ts';
import { MemberError } from './errors.ts';

const needed = ['--data-dir', '/data', '--peer-address', 'db-{ordinal}.db-peers.ns.svc'];
let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'synccluster-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(content: string): string {
  const path = join(dir, `${Math.random()}.json`);
  writeFileSync(path, content);
  return path;
}

function refusal(argv: readonly string[], env: NodeJS.ProcessEnv = { HOSTNAME: 'db-0' }): string {
  try {
    loadConfig(argv, env);
  } catch (error) {
    expect(error).toBeInstanceOf(MemberError);
    expect((error as MemberError).code).toBe('CONFIG');
    return (error as MemberError).message;
  }
  throw new Error('was accepted');
}

describe('loadConfig', () => {
  it('takes defaults, and the ordinal from the trailing number of the pod name', () => {
    expect(loadConfig(needed, { HOSTNAME: 'db-2' })).toEqual({
      dataDir: '/data',
      ordinal: 2,
      podName: 'db-2',
      host: '0.0.0.0',
      clientPort: 7400,
      peerPort: 7401,
      httpPort: 7402,
      adminPort: 7403,
      healthPort: 7404,
      peerAddress: 'db-{ordinal}.db-peers.ns.svc',
      advertiseHost: 'db-2.db-peers.ns.svc',
      hostsFile: null,
      electionTimeoutMs: 500,
      heartbeatMs: 75,
      snapshotEntries: 100_000,
      snapshotBytes: 16 * 1024 * 1024,
      segmentBytes: 64 * 1024 * 1024,
      clockSkewMs: 0,
      logLevel: 'info',
    } satisfies MemberConfig);
  });

  it('prefers flag over environment over file over default', () => {
    const config = file(
      JSON.stringify({ dataDir: '/f', peerAddress: 'f-{ordinal}', httpPort: 1, adminPort: 2, healthPort: 3 }),
    );
    const loaded = loadConfig(['--config', config, '--http-port', '21'], {
      HOSTNAME: 'db-0',
      SYNCCLUSTER_HTTP_PORT: '11',
      SYNCCLUSTER_ADMIN_PORT: '12',
    });
    expect([loaded.httpPort, loaded.adminPort, loaded.healthPort, loaded.peerPort]).toEqual([
      21, 12, 3, 7401,
    ]);
  });

  it('takes a clock that is skewed backwards', () => {
    expect(loadConfig([...needed, '--clock-skew-ms=-3600000'], { HOSTNAME: 'db-0' }).clockSkewMs).toBe(
      -3_600_000,
    );
    expect(refusal([...needed, '--clock-skew-ms', '1e9'])).toMatch(/clockSkewMs must be a whole number/);
  });

  it('takes the file name from the environment', () => {
    const config = file(JSON.stringify({ dataDir: '/f', peerAddress: 'f-{ordinal}', ordinal: 1 }));
    expect(loadConfig([], { SYNCCLUSTER_CONFIG: config, HOSTNAME: 'laptop' }).ordinal).toBe(1);
  });

  it('ignores the variables that Kubernetes sets for a Service of that name', () => {
    const env = { HOSTNAME: 'db-0', SYNCCLUSTER_CLIENT_PORT: 'tcp://10.0.0.1:7400' };
    expect(loadConfig(needed, env).clientPort).toBe(7400);
  });

  it('takes an empty variable as not set', () => {
    expect(loadConfig(needed, { HOSTNAME: 'db-0', SYNCCLUSTER_HOST: '' }).host).toBe('0.0.0.0');
  });

  it.each<[string, readonly string[], NodeJS.ProcessEnv | undefined, RegExp]>([
    ['no data directory', ['--peer-address', 'x-{ordinal}'], undefined, /dataDir is missing.*--data-dir/],
    [
      'a port that is no number',
      [...needed, '--http-port', 'x'],
      undefined,
      /httpPort must be a whole number/,
    ],
    ['a port out of range', [...needed, '--http-port', '65536'], undefined, /httpPort .* 0 to 65535/],
    ['a number with a tail', [...needed, '--snapshot-entries', '10k'], undefined, /snapshotEntries/],
    ['an unknown flag', [...needed, '--nonsense', '1'], undefined, /--nonsense/],
    ['a positional argument', [...needed, 'start'], undefined, /start/],
    ['an unknown level', [...needed, '--log-level', 'loud'], undefined, /logLevel must be one of fatal/],
    [
      'a bad variable',
      needed,
      { HOSTNAME: 'db-0', SYNCCLUSTER_HEARTBEAT_MS: '-1' },
      /environment: heartbeatMs/,
    ],
    [
      'slow heartbeats',
      [...needed, '--heartbeat-ms', '400'],
      undefined,
      /heartbeatMs must be at most a third/,
    ],
    ['one port twice', [...needed, '--http-port', '7400'], undefined, /httpPort must differ from clientPort/],
    ['no ordinal', needed, { HOSTNAME: 'laptop' }, /ordinal is missing.*laptop/],
    ['no pod name', needed, {}, /podName is missing/],
    [
      'one address for several members',
      ['--data-dir', '/d', '--peer-address', 'db', '--ordinal', '1'],
      undefined,
      /peerAddress must contain \{ordinal\}/,
    ],
    [
      'a file that is not there',
      [...needed, '--config', '/nowhere.json'],
      undefined,
      /nowhere\.json cannot be read/,
    ],
  ])('refuses %s and names it', (_what, argv, env, says) => {
    expect(refusal(argv, env)).toMatch(says);
  });

  it.each([
    ['{"httpPort": "7402"}', /httpPort must be a whole number/],
    ['{"htpPort": 1}', /htpPort is unknown/],
    ['[]', /must hold one JSON object/],
    ['{', /cannot be read as JSON/],
  ])('refuses the file %s', (content, says) => {
    expect(refusal([...needed, '--config', file(content)])).toMatch(says);
  });
});

describe('helpText', () => {
  it('names every field as flag and variable', () => {
    const text = helpText();
    for (const name of Object.keys(loadConfig(needed, { HOSTNAME: 'db-0' }))) {
      const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      expect(text).toContain(`--${flag} `);
      expect(text).toContain(`SYNCCLUSTER_${flag.replaceAll('-', '_').toUpperCase()}`);
    }
    expect(wantsHelp(['--help'])).toBe(true);
    expect(wantsHelp(needed)).toBe(false);
  });
});
