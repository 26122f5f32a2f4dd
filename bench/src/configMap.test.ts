import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { buildConfigMap, CONFIG_MAP_BYTES_MAX, ResultTooLargeError, sizeOf } from './configMap.ts';
import { findDestination, NoDestinationError, writeConfigMap } from './configMapSink.ts';
import { readResult } from './readResult.ts';
import type { Result } from './result.ts';
import { sampleResult } from './sampleResult.ts';

const WHERE = { name: 'bench-results', namespace: 'team' };

function resultsOf(configMap: ReturnType<typeof buildConfigMap>): Result {
  const packed = configMap.binaryData['results.json.gz'];
  const text =
    packed === undefined
      ? configMap.data['results.json']!
      : gunzipSync(Buffer.from(packed, 'base64')).toString();
  return readResult(JSON.parse(text));
}

describe('the ConfigMap of a result', () => {
  const result = sampleResult();

  it('holds everything, compressed where large, when there is room', () => {
    const configMap = buildConfigMap(result, WHERE);
    expect(sizeOf(configMap)).toBeLessThanOrEqual(CONFIG_MAP_BYTES_MAX);
    expect(resultsOf(configMap)).toEqual(result);
    expect(Object.keys(configMap.data)).toContain('summary.md');
    expect(configMap.data['report.html'] ?? configMap.binaryData['report.html.gz']).toBeDefined();
    expect(configMap.data['omitted']).toBeUndefined();
  });
  it('keeps a small result readable without unpacking', () => {
    const small = { ...result, measurements: result.measurements.slice(0, 1) };
    expect(Object.keys(buildConfigMap(small, WHERE).data).sort()).toEqual([
      'report.html',
      'results.json',
      'summary.md',
    ]);
  });
  it('never exceeds the limit, and lists all that it left out', () => {
    const small = sampleResult({ inFlight: [64], payloadBytes: [64] });
    const full = sizeOf(buildConfigMap(small, WHERE));
    let before: string[] = [];
    const seen = new Set<string>();
    for (let limit = full - 1; limit > 3_000; limit = Math.floor(limit * 0.7)) {
      let configMap: ReturnType<typeof buildConfigMap>;
      try {
        configMap = buildConfigMap(small, WHERE, limit);
      } catch (error) {
        expect(error).toBeInstanceOf(ResultTooLargeError);
        break;
      }
      expect(sizeOf(configMap)).toBeLessThanOrEqual(limit);
      const omitted = configMap.data['omitted']!.trim().split('\n');
      expect(omitted.slice(0, before.length)).toEqual(before);
      before = omitted;
      for (const line of omitted) seen.add(line);
      const kept = resultsOf(configMap);
      expect(kept.measurements.map((m) => m.throughputPerS)).toEqual(
        small.measurements.map((m) => m.throughputPerS),
      );
      const has = (key: 'series' | 'histogram'): boolean =>
        kept.measurements.some((m) => m.runs.some((run) => run[key] !== undefined));
      expect(has('series')).toBe(!omitted.includes('results.json: all time series'));
      expect(has('histogram')).toBe(!omitted.includes('results.json: histograms'));
      expect('report.html.gz' in configMap.binaryData || 'report.html' in configMap.data).toBe(
        !omitted.includes('report.html'),
      );
    }
    expect(seen.size).toBeGreaterThanOrEqual(4);
  });
  it('says so when not even the figures fit', () => {
    expect(() => buildConfigMap(result, WHERE, 2_000)).toThrow(ResultTooLargeError);
  });
});

describe('writing it', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function door(
    statuses: number[],
  ): Promise<{ url: string; seen: { request: IncomingMessage; body: string }[] }> {
    const seen: { request: IncomingMessage; body: string }[] = [];
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        seen.push({ request, body: Buffer.concat(parts).toString() });
        response.statusCode = statuses[seen.length - 1] ?? 200;
        response.end(JSON.stringify({ kind: 'Status', message: 'the reason' }));
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  }
  const configMap = buildConfigMap(sampleResult(), WHERE);
  const local = (url: string): ReturnType<typeof findDestination> =>
    findDestination({ SYNCCLUSTER_LOCAL_API: url, SYNCCLUSTER_LOCAL_TOKEN: 'secret' });

  it('puts through the local door with the token, again after what may pass', async () => {
    const { url, seen } = await door([503, 409, 201]);
    await writeConfigMap(await local(url), configMap, { firstPauseMs: 1 });
    expect(seen).toHaveLength(3);
    const { request, body } = seen[2]!;
    expect(request.method).toBe('PUT');
    expect(request.url).toBe('/api/v1/namespaces/team/configmaps/bench-results');
    expect(request.headers.authorization).toBe('Bearer secret');
    expect(JSON.parse(body)).toEqual(configMap);
  });
  it('applies server-side through an API server', async () => {
    const { url, seen } = await door([200]);
    const destination = { base: new URL(url), token: async () => 't', ca: null, style: 'apply' as const };
    await writeConfigMap(destination, configMap);
    expect(seen[0]!.request.method).toBe('PATCH');
    expect(seen[0]!.request.url).toContain('fieldManager=synccluster-bench');
    expect(seen[0]!.request.headers['content-type']).toBe('application/apply-patch+yaml');
  });
  it('gives up at once on a refusal, with its reason', async () => {
    const { url, seen } = await door([403]);
    await expect(writeConfigMap(await local(url), configMap)).rejects.toThrow('403 the reason');
    expect(seen).toHaveLength(1);
  });
  it('gives up after enough attempts without a connection', async () => {
    const { url } = await door([]);
    servers.splice(0)[0]!.close();
    const destination = await local(url);
    await expect(writeConfigMap(destination, configMap, { firstPauseMs: 1 })).rejects.toThrow('8 attempts');
  });
  it('has no destination outside a pod and without the local door', async () => {
    await expect(findDestination({})).rejects.toThrow(NoDestinationError);
    await expect(findDestination({ SYNCCLUSTER_LOCAL_API: 'http://127.0.0.1:1' })).rejects.toThrow('TOKEN');
  });
});
