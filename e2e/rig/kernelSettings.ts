import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATE_DIR } from './paths.ts';

/** What a kubelet and kube-proxy set for the whole machine when they start. */
const SETTINGS = [
  '/proc/sys/vm/overcommit_memory',
  '/proc/sys/vm/panic_on_oom',
  '/proc/sys/kernel/panic',
  '/proc/sys/kernel/panic_on_oops',
  '/proc/sys/kernel/keys/root_maxkeys',
  '/proc/sys/kernel/keys/root_maxbytes',
  '/proc/sys/net/ipv4/ip_forward',
  '/proc/sys/net/ipv4/conf/all/route_localnet',
  '/proc/sys/net/netfilter/nf_conntrack_max',
  '/proc/sys/net/bridge/bridge-nf-call-iptables',
];
const RECORD = join(STATE_DIR, 'kernel-settings.json');

export function recordKernelSettings(): void {
  const values = SETTINGS.filter((path) => existsSync(path)).map((path) => [
    path,
    readFileSync(path, 'utf8').trim(),
  ]);
  writeFileSync(RECORD, JSON.stringify(Object.fromEntries(values), null, 2));
}

/** Puts back what has changed since. */
export function restoreKernelSettings(): void {
  let values: Record<string, string>;
  try {
    values = JSON.parse(readFileSync(RECORD, 'utf8')) as Record<string, string>;
  } catch {
    return;
  }
  for (const [path, value] of Object.entries(values)) {
    try {
      if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
    } catch {
      // The setting went with its kernel module.
    }
  }
}
