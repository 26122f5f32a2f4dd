#!/usr/bin/env -S node --max-semi-space-size=4
// Left to itself V8 grows the young generation of an idle member to 16 MB and more; above 4 it saves no time. Can
// be set on Node's command line only, so whoever starts a member otherwise passes the same flag.
import { readFileSync } from 'node:fs';
import { systemClock } from '@synccluster/client/clock';
import type { Ordinal } from '@synccluster/client/protocol';
import { pino } from 'pino';
import { helpText, loadConfig, type MemberConfig, wantsHelp } from './config.ts';
import { MemberError } from './errors.ts';
import { startAdmin, startHealth, startHttp } from './http/index.ts';
import { createMetrics } from './metrics.ts';
import { Member } from './replica/member.ts';
import { MemberService } from './replica/memberService.ts';
import { startClientServer } from './server/clientServer.ts';
import { startError } from './startErrors.ts';
import { openStorage } from './storage/openStorage.ts';
import { segmentBytesFor } from './storage/volumeSize.ts';
import { makeResolver } from './transport/resolve.ts';
import { startTcpTransport } from './transport/tcpTransport.ts';

const TICK_MS = 25;
const KEPT_ENTRIES = 2_000;
/** How long a stopping member waits for somebody to take its leaderships. */
const HANDOVER_MS = 3_000;
/** From the signal to the end, whatever is not done by then: all that was acknowledged is on disk anyway. */
const STOP_MS = 4_500;

const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

function readConfig(): MemberConfig {
  const argv = process.argv.slice(2);
  if (wantsHelp(argv)) {
    process.stdout.write(helpText());
    process.exit(0);
  }
  try {
    return loadConfig(argv, process.env);
  } catch (error) {
    if (!(error instanceof MemberError)) throw error;
    process.stderr.write(`synccluster-node: ${error.message}\n`);
    process.exit(2);
  }
}

async function main(): Promise<void> {
  const config = readConfig();
  const logger = pino({ level: config.logLevel, base: { member: config.podName } });
  const die = (error: unknown): never => {
    // Synchronous, for nothing after it may be lost or sent: what this member believes can no longer be trusted.
    logger.fatal({ err: error }, 'the member stops at once');
    logger.flush();
    process.exit(70);
  };
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);

  const segmentBytes = await segmentBytesFor(config.dataDir, config.segmentBytes);
  if (segmentBytes < config.segmentBytes) {
    logger.info(
      { segmentBytes, configured: config.segmentBytes },
      'smaller segments, for the volume is small',
    );
  }
  if (config.clockSkewMs !== 0) {
    logger.warn({ clockSkewMs: config.clockSkewMs }, 'the wall clock is falsified, for a test');
  }
  const storage = await openStorage(config.dataDir, {
    segmentBytes,
    reserveBytes: segmentBytes,
    onFatal: die,
    logger,
  });
  const member = new Member({
    ordinal: config.ordinal as Ordinal,
    listeners: {
      client: `${config.advertiseHost}:${config.clientPort}`,
      http: `${config.advertiseHost}:${config.httpPort}`,
    },
    tuning: {
      tickMs: TICK_MS,
      electionTicks: Math.max(2, Math.round(config.electionTimeoutMs / TICK_MS)),
      heartbeatTicks: Math.max(1, Math.round(config.heartbeatMs / TICK_MS)),
      snapshotEntries: config.snapshotEntries,
      snapshotBytes: config.snapshotBytes,
      keptEntries: KEPT_ENTRIES,
    },
    diskMarginBytes: 2 * segmentBytes,
    logger,
    storage,
    clock: { ...systemClock, wallMs: () => systemClock.wallMs() + config.clockSkewMs },
    onFatal: die,
  });
  await member.open();

  let connections = (): number => 0;
  const registry = createMetrics(member, () => connections());
  let stop: (code: number) => Promise<void> = async () => {};
  const service = new MemberService({ member, registry, version, exit: () => void stop(0) });
  const { host } = config;
  const health = await startHealth({ host, port: config.healthPort, member: service, logger });
  const admin = await startAdmin({ host, port: config.adminPort, member: service, logger });
  const transport = await startTcpTransport(
    {
      host,
      port: config.peerPort,
      address: (peer) => ({
        host: config.peerAddress.replaceAll('{ordinal}', String(peer.ordinal)),
        port: config.peerPort,
      }),
      resolve: makeResolver(config.hostsFile),
      logger,
    },
    member.peers,
  );
  member.start(transport);
  const clients = await startClientServer({ host, port: config.clientPort, member, logger });
  connections = clients.connections;
  const http = await startHttp({ host, port: config.httpPort, member: service, logger });
  logger.info(
    {
      memberId: member.self.id,
      ordinal: config.ordinal,
      clusterId: member.clusterId,
      version,
      damaged: member.damage,
    },
    'the member runs',
  );

  let stopping = false;
  stop = async (code) => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => {
      logger.warn('the member does not end by itself');
      logger.flush();
      process.exit(code);
    }, STOP_MS);
    await member.handover(HANDOVER_MS);
    // First, for it answers what is under way: then nothing keeps the listeners busy.
    await member.stop();
    await Promise.all([http.close(), admin.close(), clients.close(), health.close()]);
    logger.info('the member has stopped');
    logger.flush();
    process.exit(code);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      logger.info({ signal }, 'stops');
      void stop(0);
    });
  }
}

try {
  await main();
} catch (error) {
  // Once it runs, a failure ends up elsewhere: this one is of the start.
  const line = startError(error);
  if (line === null) throw error;
  process.stderr.write(`synccluster-node: ${line}\n`);
  process.exit(1);
}
