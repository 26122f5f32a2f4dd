import { readFileSync } from 'node:fs';

const CGROUPS = '/sys/fs/cgroup';

/** What the kernel counts of a container. */
export interface ContainerUsage {
  readonly cpuMs: number;
  /** What cannot be taken back: as the kubelet counts it before it evicts. */
  readonly workingSetBytes: number;
  /** Of that, the program's own, without files. */
  readonly anonymousBytes: number;
}

/** Of the container that a process is in, with either version of control groups. */
export function usageOf(pid: number): ContainerUsage {
  const groups = new Map(
    readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => {
        const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
        return controllers.split(',').map((controller) => [controller, path] as const);
      }),
  );
  const first = groups.get('memory');
  if (first !== undefined) {
    const memory = `${CGROUPS}/memory${first}`;
    const stat = statOf(`${memory}/memory.stat`);
    return {
      cpuMs: numberIn(`${CGROUPS}/cpuacct${groups.get('cpuacct')}/cpuacct.usage`) / 1e6,
      workingSetBytes: numberIn(`${memory}/memory.usage_in_bytes`) - (stat.get('total_inactive_file') ?? 0),
      anonymousBytes: stat.get('total_rss') ?? 0,
    };
  }
  const unified = `${CGROUPS}${groups.get('')}`;
  const stat = statOf(`${unified}/memory.stat`);
  return {
    cpuMs: (statOf(`${unified}/cpu.stat`).get('usage_usec') ?? 0) / 1e3,
    workingSetBytes: numberIn(`${unified}/memory.current`) - (stat.get('inactive_file') ?? 0),
    anonymousBytes: stat.get('anon') ?? 0,
  };
}

function numberIn(file: string): number {
  return Number(readFileSync(file, 'utf8'));
}
function statOf(file: string): Map<string, number> {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [name = '', value] = line.split(' ');
      return [name, Number(value)];
    }),
  );
}
