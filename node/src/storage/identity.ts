import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { FileOps } from './fileOps.ts';
import type { Damage, Identity } from './storage.ts';

export const IDENTITY_FILE = 'identity.json';
export const MEMBER_ID_MAX = 2 ** 48 - 1;

/** Null: there is none yet. */
export async function loadIdentity(ops: FileOps, directory: string): Promise<Identity | Damage | null> {
  if (!(await ops.list(directory)).includes(IDENTITY_FILE)) return null;
  const file = await ops.open(join(directory, IDENTITY_FILE), 'read');
  let text: string;
  try {
    const contents = Buffer.alloc(await file.size());
    await file.read(contents, 0);
    text = contents.toString('utf8');
  } finally {
    await file.close();
  }
  return parseIdentity(text) ?? { file: IDENTITY_FILE, offset: 0, reason: 'not a valid identity' };
}

export function isDamage(value: Identity | Damage): value is Damage {
  return 'reason' in value;
}

function parseIdentity(text: string): Identity | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('memberId' in value) || !('clusterId' in value)) {
    return null;
  }
  const { memberId, clusterId } = value;
  const recovering = 'recovering' in value ? value.recovering : false;
  if (typeof memberId !== 'number' || !Number.isInteger(memberId)) return null;
  if (memberId < 1 || memberId > MEMBER_ID_MAX) return null;
  if (clusterId !== null && (typeof clusterId !== 'string' || clusterId === '')) return null;
  if (typeof recovering !== 'boolean' || (recovering && clusterId === null)) return null;
  const identity = { memberId, clusterId, recovering };
  // One changed digit would be another member.
  if (!('crc' in value) || value.crc !== checksum(identity)) return null;
  return identity;
}

function checksum({ memberId, clusterId, recovering }: Identity): number {
  return crc32(JSON.stringify([memberId, clusterId, recovering]));
}

/** Replaces the identity whole or not at all; durable when it resolves. */
export async function saveIdentity(ops: FileOps, directory: string, identity: Identity): Promise<void> {
  const { memberId, clusterId, recovering } = identity;
  const written = { memberId, clusterId, ...(recovering ? { recovering } : {}), crc: checksum(identity) };
  const path = join(directory, IDENTITY_FILE);
  const file = await ops.open(`${path}.tmp`, 'create');
  try {
    await file.write([Buffer.from(`${JSON.stringify(written)}\n`)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await ops.rename(`${path}.tmp`, path);
  await ops.syncDirectory(directory);
}
