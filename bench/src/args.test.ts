import { describe, expect, it } from 'vitest';
import { parseArguments, UsageError } from './args.ts';

const parse = (line: string): ReturnType<typeof parseArguments> =>
  parseArguments(line === '' ? [] : line.split(' '));

describe('arguments', () => {
  it('of a run', () => {
    const args = parse(
      'run --endpoints a:7400,[::1]:7401 --preset medium --scenario queue,cache --in-flight 1,64 --out /tmp/x --results-configmap r --namespace n',
    )!;
    expect(args).toMatchObject({
      command: 'run',
      endpoints: ['a:7400', '[::1]:7401'],
      out: '/tmp/x',
      configMap: { name: 'r', namespace: 'n' },
      settings: { operations: 10_000, runs: 3, scenarios: ['queue', 'cache'], inFlight: [1, 64] },
    });
  });
  it('with --members alone mean local clusters', () => {
    expect(parse('--members 1,3,5 --preset light --out d')).toMatchObject({
      command: 'local',
      members: [1, 3, 5],
      settings: { operations: 1_000 },
    });
  });
  it('by duration have no number of operations', () => {
    expect(parse('local --duration-seconds 2.5 --out d')!.settings).toMatchObject({
      operations: null,
      durationMs: 2_500,
    });
  });
  it('asking for help are not checked further', () => {
    expect(parse('run --help')).toBeNull();
    expect(parse('-h')).toBeNull();
  });

  it.each([
    ['', 'run needs --endpoints'],
    ['dance', 'unknown command dance'],
    ['run extra --endpoints a:1 --out d', 'unexpected argument extra'],
    ['run --endpoints a:1', 'run needs --out DIR'],
    ['run --endpoints a --out d', '--endpoints: a is not HOST:PORT'],
    ['run --endpoints a:0 --out d', '--endpoints: a:0 is not HOST:PORT'],
    ['run --endpoints a:1, --out d', '--endpoints: an element is empty'],
    ['run --endpoints a:1 --members 3 --out d', '--members belongs to local'],
    ['local --endpoints a:1 --out d', '--endpoints belongs to run'],
    ['local --members 0 --out d', '--members: 0 is not one of 1, 3, 5'],
    ['local --members 2 --out d', '--members: 2 is not one of 1, 3, 5'],
    ['floors --members 4', '--members: 4 is not one of 1, 3, 5'],
    ['local --members 0,x', '--members: 0 is not one of 1, 3, 5'],
    ['local --cluster-members 3 --out d', '--cluster-members belongs to run'],
    ['floors --json --out d --endpoints a:1', '--endpoints belongs to run'],
    ['run --json --endpoints a:1 --out d', '--json belongs to floors'],
    ['local --members 1,1 --out d', '--members: an element is given twice'],
    ['local --preset huge --out d', '--preset: huge is not one of light, medium, heavy'],
    ['local --scenario tea --out d', '--scenario: tea is not one of'],
    ['local --runs 2 --out d', '--runs: 2 is not within 3 and 100'],
    ['local --runs 3.5 --out d', '--runs: 3.5 is not a whole number'],
    ['local --in-flight 1e3 --out d', '--in-flight: 1e3 is not a number'],
    ['local --payload-bytes 8 --out d', '--payload-bytes: 8 is not within 16'],
    ['local --hit-ratio 1.5 --out d', '--hit-ratio: 1.5 is not within 0 and 1'],
    ['local --operations 5 --duration-seconds 5 --out d', 'exclude each other'],
    ['local --results-configmap r --out d', '--results-configmap needs --namespace'],
    ['local --progress loud --out d', '--progress: loud is not one of'],
    ['local --colour --out d', "Unknown option '--colour'"],
  ])('"%s" are refused: %s', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(message);
  });
});
