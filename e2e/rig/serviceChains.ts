import { run, runAnyway } from './command.ts';

const TABLES = ['nat', 'filter', 'mangle'];

/** Takes kube-proxy's chains out of the machine's tables; what others have in them stays. */
export async function removeServiceChains(kubeProxy: string | null): Promise<void> {
  if (kubeProxy !== null) await runAnyway(kubeProxy, ['--cleanup']);
  for (const family of ['iptables', 'ip6tables']) {
    for (const table of TABLES) await removeChains(family, table);
  }
}

/** kube-proxy leaves the chain it has in common with kubelets; this takes whatever is left. */
async function removeChains(family: string, table: string): Promise<void> {
  const saved = await runAnyway(`${family}-save`, ['-t', table]);
  const { jumps, chains } = serviceRules(saved);
  const change = (...args: string[]): Promise<string> => run(family, ['--wait', '5', '-t', table, ...args]);
  for (const jump of jumps) await change('-D', ...jump);
  for (const chain of chains) await change('-F', chain);
  for (const chain of chains) await change('-X', chain);
}

interface ServiceRules {
  /** Rules of other chains that jump into one of these, as arguments. */
  readonly jumps: readonly (readonly string[])[];
  readonly chains: readonly string[];
}

const SERVICE_CHAIN = /^KUBE-/;

/** What of a saved table is kube-proxy's. */
export function serviceRules(saved: string): ServiceRules {
  const jumps: string[][] = [];
  const chains: string[] = [];
  for (const line of saved.split('\n')) {
    const chain = /^:(\S+)/.exec(line)?.[1];
    if (chain !== undefined && SERVICE_CHAIN.test(chain)) chains.push(chain);
    if (!line.startsWith('-A ')) continue;
    const [, from = '', ...rest] = words(line);
    if (!SERVICE_CHAIN.test(from) && SERVICE_CHAIN.test(rest[rest.indexOf('-j') + 1] ?? ''))
      jumps.push([from, ...rest]);
  }
  return { jumps, chains };
}

/** A saved rule quotes comments that have spaces in them. */
function words(line: string): string[] {
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map((found) =>
    found[1] === undefined ? (found[2] ?? '') : found[1].replace(/\\(.)/g, '$1'),
  );
}
