import { gunzipSync } from 'node:zlib';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { ConfigMap } from '../api/kinds.ts';
import type { OperationHeadline } from '../api/syncBenchmark.ts';
import type { ObservedResults } from './plan.ts';

const spread = Type.Object({ mean: Type.Number({ minimum: 0 }) });
/** Of `results.json`, what the status shows; the rest is for people and for the report. */
const ResultsSchema = Type.Object({
  outcome: Type.Union([Type.Literal('succeeded'), Type.Literal('failed')]),
  failures: Type.Array(Type.String()),
  measurements: Type.Array(
    Type.Object({
      operation: Type.String({ minLength: 1, maxLength: 128 }),
      throughputPerS: spread,
      latencyNs: Type.Object({ p50: spread, p99: spread }),
    }),
  ),
});
const RESULTS = 'results.json';
/** An object holds 1 MiB at most; more than this is no result but a bomb. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024;

/** Null: the load generator has not written yet. */
export function readResults(map: ConfigMap | null): ObservedResults | { unreadable: string } | null {
  const plain = map?.data?.[RESULTS];
  const packed = map?.binaryData?.[`${RESULTS}.gz`];
  if (plain === undefined && packed === undefined) return null;
  let json: unknown;
  try {
    const text =
      plain ??
      gunzipSync(Buffer.from(packed ?? '', 'base64'), { maxOutputLength: UNPACKED_BYTES_MAX }).toString(
        'utf8',
      );
    json = JSON.parse(text);
  } catch (error) {
    return { unreadable: `${RESULTS}: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (!Value.Check(ResultsSchema, json)) {
    const [first] = Value.Errors(ResultsSchema, json);
    return {
      unreadable: `${RESULTS} ${first?.instancePath ?? ''} ${first?.message ?? 'has another schema'}`,
    };
  }
  const fastest = new Map<string, OperationHeadline>();
  for (const { operation, throughputPerS, latencyNs } of json.measurements) {
    const operationsPerSecond = Math.round(throughputPerS.mean);
    if ((fastest.get(operation)?.operationsPerSecond ?? -1) >= operationsPerSecond) continue;
    fastest.set(operation, {
      operation,
      operationsPerSecond,
      p50Microseconds: Math.round(latencyNs.p50.mean / 1000),
      p99Microseconds: Math.round(latencyNs.p99.mean / 1000),
    });
  }
  return { outcome: json.outcome, failures: json.failures, headlines: [...fastest.values()].slice(0, 32) };
}
