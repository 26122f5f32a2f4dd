import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ConfigMap } from '../api/kinds.ts';

const FILES = ['results.json', 'summary.md', 'report.html'] as const;
export type ResultFile = (typeof FILES)[number];

/** A file that the load generator put into the ConfigMap, packed or not; null when it had to leave it out. */
export function resultFile(
  configMap: Pick<ConfigMap, 'data' | 'binaryData'>,
  name: ResultFile,
): string | null {
  const plain = configMap.data?.[name];
  if (plain !== undefined) return plain;
  const packed = configMap.binaryData?.[`${name}.gz`];
  return packed === undefined ? null : gunzipSync(Buffer.from(packed, 'base64')).toString('utf8');
}

/** Writes what the ConfigMap holds as files into `folder`, to be opened and read; answers their paths. */
export function writeResultFiles(
  configMap: Pick<ConfigMap, 'data' | 'binaryData'>,
  folder: string,
): string[] {
  mkdirSync(folder, { recursive: true });
  return FILES.flatMap((name) => {
    const text = resultFile(configMap, name);
    if (text === null) return [];
    writeFileSync(join(folder, name), text);
    return [join(folder, name)];
  });
}
