// Runs in a pod beside the cluster: `main.ts CALL ENDPOINT [NUMBER]`. Answers are lines of JSON on standard output.
import { createInterface } from 'node:readline';
import { type Client, connect } from '@synccluster/client';
import type { Call, CallAnswers, GroupTruth, VolumeTruth, WriterCounts, WriterResult } from './answers.ts';
import { find, leave } from './left.ts';
import { Writer } from './writer.ts';

const MESSAGES = 300;
const ADMIN_PORT = 7403;

function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

async function use(client: Client): Promise<CallAnswers['use']> {
  const held = await client.locks.acquire('report');
  const refused = (await client.locks.tryAcquire('report')) === null;
  const waiting = client.locks.acquire('report', { waitMs: 20_000 });
  await held.release();
  const next = await waiting;
  await next.release();

  const queue = await client.queues.declare('jobs', { partitions: 3 });
  await queue.enqueueMany(Array.from({ length: MESSAGES }, (_, n) => `job ${n}`));
  const received = new Set<string>();
  while (received.size < MESSAGES) {
    const messages = await queue.receive({ max: 100, waitMs: 10_000 });
    if (messages.length === 0) break;
    for (const message of messages) received.add(message.text());
    await queue.ack(messages);
  }
  const left = (await queue.inspect()).reduce((sum, { ready, inFlight }) => sum + ready + inFlight, 0);

  await client.cache.put('greeting', 'hello');
  const hit = await client.cache.get('greeting');
  const miss = await client.cache.get('nothing');
  return {
    refused,
    tokens: [held.token, next.token],
    sent: MESSAGES,
    received: received.size,
    left,
    hit: hit === null ? null : Buffer.from(hit.value).toString(),
    missed: miss === null,
  };
}

async function recall(client: Client): Promise<CallAnswers['recall']> {
  const lock = await client.locks.acquire('report', { waitMs: 20_000 });
  await lock.release();
  const entry = await client.cache.get('greeting', { level: 'linearizable' });
  return { token: lock.token, greeting: entry === null ? null : Buffer.from(entry.value).toString() };
}

async function askMember(peers: string, ordinal: number, call: string): Promise<unknown> {
  const cluster = peers.split('-peers.')[0] ?? '';
  const url = `http://${cluster}-${ordinal}.${peers}:${ADMIN_PORT}/admin/v1/${call}`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return await answer.json();
}

async function volumes(peers: string, count: number): Promise<CallAnswers['volumes']> {
  const found: VolumeTruth[] = [];
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const { clusterId, empty } = (await askMember(peers, ordinal, 'identity')) as VolumeTruth;
    found.push({ clusterId, empty });
  }
  return found;
}

/**
 * What the members themselves say: per group, from its leader. They are asked one after the other, so a leadership that
 * moves meanwhile may be told of twice, and then the highest term is right, or not at all.
 */
async function groups(peers: string, count: number): Promise<CallAnswers['groups']> {
  const found = new Map<number, { readonly term: number; readonly truth: GroupTruth }>();
  for (let ordinal = 0; ordinal < count; ordinal++) {
    const status = (await askMember(peers, ordinal, 'status')) as {
      groups: {
        group: number;
        role: string;
        term: number;
        configuration: { voters: { ordinal: number }[]; learners: { ordinal: number }[] };
      }[];
    };
    for (const { group, role, term, configuration } of status.groups) {
      if (role !== 'leader' || term < (found.get(group)?.term ?? 0)) continue;
      const ordinals = (of: { ordinal: number }[]): number[] =>
        of.map((member) => member.ordinal).sort((a, b) => a - b);
      const voters = ordinals(configuration.voters);
      const learners = ordinals(configuration.learners);
      found.set(group, { term, truth: { group, leader: ordinal, voters, learners } });
    }
  }
  return [...found.values()].map(({ truth }) => truth).sort((a, b) => a.group - b.group);
}

/** Writes until standard input says `stop`; `mark` begins the measurement of the gap. */
async function write(client: Client): Promise<void> {
  await client.queues.declare('written', { partitions: 3 });
  const writer = new Writer(client, 'written');
  const counts = (): WriterCounts => ({
    messages: writer.messages.size,
    puts: writer.puts,
    locks: writer.tokens.length,
    longestGapMs: Math.round(writer.longestGapMs),
  });
  const counting = setInterval(() => say(counts()), 250);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'mark') writer.longestGapMs = 0;
    if (line === 'stop') break;
  }
  clearInterval(counting);
  await writer.stop();
  const result: WriterResult = { ...counts(), losses: await writer.findLosses() };
  say({ result });
}

const [call, address, number] = process.argv.slice(2) as [Call | undefined, string | undefined, string?];
if (address === undefined) throw new Error('an address is needed');
if (call === 'groups') {
  say(await groups(address, Number(number)));
} else if (call === 'volumes') {
  say(await volumes(address, Number(number)));
} else {
  const client = await connect({ endpoints: [address], label: 'e2e', requestTimeoutMs: 30_000 });
  if (call === 'use') say(await use(client));
  else if (call === 'recall') say(await recall(client));
  else if (call === 'leave') say(await leave(client));
  else if (call === 'find') say(await find(client));
  else if (call === 'write') await write(client);
  else throw new Error(`no call ${call}`);
  await client.close();
}
process.exit(0);
