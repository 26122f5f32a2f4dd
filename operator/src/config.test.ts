import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError, helpText, loadConfig } from './config.ts';
import { RELEASED_IMAGES } from './desired/images.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});
function file(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'synccluster-config-'));
  directories.push(directory);
  const path = join(directory, 'operator.yaml');
  writeFileSync(path, content);
  return path;
}

describe('configuration of the operator', () => {
  it('works without any', () => {
    expect(loadConfig([], { POD_NAME: 'operator-7c9-x2' })).toEqual({
      namespaces: [],
      leaderElection: true,
      leaseName: 'synccluster-operator',
      leaseDurationSeconds: 15,
      identity: 'operator-7c9-x2',
      healthHost: '0.0.0.0',
      healthPort: 8080,
      workers: 4,
      nodeImage: RELEASED_IMAGES.node,
      benchImage: RELEASED_IMAGES.bench,
      logLevel: 'info',
    });
  });

  it('never gives two processes outside of pods the same identity', () => {
    const env = { HOSTNAME: 'laptop' };
    expect(loadConfig([], env).identity).not.toBe(loadConfig([], env).identity);
  });

  it('prefers the flag, then the environment, then the file', () => {
    const path = file('workers: 2\nlogLevel: warn\nnamespaces: [a]\nleaseDurationSeconds: 30\n');
    const env = {
      SYNCCLUSTER_OPERATOR_CONFIG: path,
      SYNCCLUSTER_OPERATOR_WORKERS: '3',
      SYNCCLUSTER_OPERATOR_NAMESPACES: 'b, c,b',
    };
    const config = loadConfig(['--workers', '5', '--leader-election=false'], env);
    expect(config).toMatchObject({
      workers: 5,
      logLevel: 'warn',
      namespaces: ['b', 'c'],
      leaseDurationSeconds: 30,
      leaderElection: false,
    });
    expect(loadConfig(['--config', file('{"workers": 9}')], env)).toMatchObject({
      workers: 3,
      logLevel: 'info',
    });
  });

  it("passes over Kubernetes' variables of a Service by a similar name, and over empty ones", () => {
    const env = { SYNCCLUSTER_OPERATOR_HEALTH_PORT: 'tcp://10.0.0.1:8080', SYNCCLUSTER_OPERATOR_WORKERS: '' };
    expect(loadConfig([], env)).toMatchObject({ healthPort: 8080, workers: 4 });
  });

  it.each([
    [['--workers', '0'], {}, /--workers must be a whole number 1…64, but is 0/],
    [['--workers', '1e3'], {}, /--workers/],
    [['--leader-election', 'yes'], {}, /--leader-election must be true \| false/],
    [['--namespaces', 'Bad_Name'], {}, /--namespaces/],
    [['--log-level', 'loud'], {}, /--log-level must be fatal \| error/],
    [['--nonsense', 'x'], {}, /nonsense.*--help/s],
    [['stray'], {}, /--help/],
    [[], { SYNCCLUSTER_OPERATOR_LEASE_DURATION_SECONDS: '4' }, /SYNCCLUSTER_OPERATOR_LEASE_DURATION_SECONDS/],
    [['--config', '/does/not/exist'], {}, /cannot be read/],
  ])('refuses %j with %j', (argv, env, message) => {
    expect(() => loadConfig(argv, env)).toThrow(ConfigError);
    expect(() => loadConfig(argv, env)).toThrow(message);
  });

  it.each(['workers: many', 'wrokers: 3', '[1]', 'null', '{', 'constructor: 1', 'logLevel: [info]'])(
    'refuses a file that says %j, and names it',
    (content) => {
      const path = file(content);
      expect(() => loadConfig(['--config', path], {})).toThrow(ConfigError);
      expect(() => loadConfig(['--config', path], {})).toThrow(path);
    },
  );

  it('lists every field in the help', () => {
    const help = helpText();
    for (const flag of ['--namespaces', '--lease-duration-seconds', '--kubeconfig', '--context', '--config'])
      expect(help).toContain(`  ${flag} `.trimEnd());
    expect(help).toContain('SYNCCLUSTER_OPERATOR_HEALTH_PORT');
    expect(help).toContain('default synccluster-operator');
  });
});
