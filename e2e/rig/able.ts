import { accessSync, constants, readFileSync } from 'node:fs';

/** Bits of capabilities(7): to make bridges and routes, and to mount what containers see. */
const NEEDED = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 } as const;

/** Why this machine cannot run the rig, whatever is installed on it; null: it can. */
export function unableReason(): string | null {
  if (process.platform !== 'linux') return 'the rig runs on Linux only';
  if (process.getuid?.() !== 0) return 'the rig needs root: it starts kubelets';
  const mask = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`,
  );
  for (const [name, bit] of Object.entries(NEEDED)) {
    if ((mask & (1n << BigInt(bit))) === 0n) return `the rig needs ${name}, which this sandbox withholds`;
  }
  try {
    accessSync('/proc/sys/net/ipv4/ip_forward', constants.W_OK);
  } catch {
    return 'the rig needs to set network parameters, and /proc/sys is read-only here';
  }
  return null;
}
