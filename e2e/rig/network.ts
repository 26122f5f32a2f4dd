import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runAnyway } from './command.ts';
import { STATE_DIR } from './paths.ts';
import { BRIDGE, NODES, SERVICE_RANGE } from './settings.ts';

export const CNI_CONFIG_DIR = join(STATE_DIR, 'cni');

/** The bridge that the API server, the nodes and all pods have their addresses on. */
export async function makeNetwork(): Promise<void> {
  await refuseTakenRanges();
  const { name, hardwareAddress, address, prefixLength } = BRIDGE;
  // One of its own, or it has that of some pod: when that pod goes, all others talk to nobody for seconds.
  await run('ip', ['link', 'add', 'name', name, 'address', hardwareAddress, 'type', 'bridge']);
  for (const each of [address, ...NODES.map((node) => node.address)])
    await run('ip', ['address', 'add', `${each}/${prefixLength}`, 'dev', name]);
  await run('ip', ['link', 'set', name, 'up']);
  // What pods send to a Service is routed; for nothing else does this machine become a router.
  writeFileSync(`/proc/sys/net/ipv4/conf/${name}/forwarding`, '1');
  mkdirSync(CNI_CONFIG_DIR, { recursive: true });
  writeFileSync(join(CNI_CONFIG_DIR, '10-bridge.conflist'), JSON.stringify(podNetwork(), null, 2));
}

function podNetwork(): unknown {
  return {
    cniVersion: '1.0.0',
    name: 'synccluster-e2e',
    plugins: [
      {
        type: 'bridge',
        bridge: BRIDGE.name,
        // The bridge has its address already; as a gateway the plugin would turn on forwarding for all interfaces.
        isGateway: false,
        hairpinMode: true,
        ipam: {
          type: 'host-local',
          // One pool for all nodes: they share the bridge.
          dataDir: join(STATE_DIR, 'pod-addresses'),
          ranges: [
            [
              {
                subnet: BRIDGE.subnet,
                rangeStart: BRIDGE.firstPodAddress,
                rangeEnd: BRIDGE.lastPodAddress,
                gateway: BRIDGE.address,
              },
            ],
          ],
          routes: [{ dst: '0.0.0.0/0' }],
        },
      },
    ],
  };
}

async function refuseTakenRanges(): Promise<void> {
  for (const range of [BRIDGE.subnet, SERVICE_RANGE]) {
    const routes = await run('ip', ['-o', 'route', 'show', 'root', range]);
    if (routes.trim() !== '')
      throw new Error(`the rig needs the addresses ${range}, and there is a route: ${routes}`);
  }
}

export async function removeNetwork(): Promise<void> {
  if (existsSync(`/sys/class/net/${BRIDGE.name}`)) await runAnyway('ip', ['link', 'delete', BRIDGE.name]);
}
