import { BRIEF, SMALL_LOG } from './choices.ts';
import type { Mutant } from './mutant.ts';

const STORAGE = 'node/src/storage';

/** In what a member keeps on its volume and finds there again. */
export const storageMutants: readonly Mutant[] = [
  {
    name: 'acknowledge-before-fsync',
    why: 'what depends on a log batch leaves when the batch is queued, not when it is durable',
    edits: [
      {
        file: 'node/src/replica/passLoop.ts',
        find: `    this.#options.wal.write(records, () => {
      this.#writing.shift();
      this.#persisted(after);
    });`,
        replace: `    this.#options.wal.write(records, () => {
      this.#writing.shift();
    });
    this.#persisted(after);`,
      },
    ],
    checkers: ['one leader per term', 'durability'],
    faults: ['kill', 'power', 'slowDisk'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'vote-without-persisting',
    why: 'the term is logged, the vote is not: after a crash the same term is voted in twice',
    edits: [
      {
        file: 'node/src/replica/group.ts',
        find: "records.push({ type: 'hardState', group: this.id, hardState: ready.hardState });",
        replace:
          "records.push({ type: 'hardState', group: this.id, hardState: { term: ready.hardState.term, vote: 0 } });",
      },
    ],
    checkers: ['one leader per term'],
    faults: ['kill', 'power', 'transfer'],
    choices: BRIEF,
    maxSeeds: 10,
  },
  {
    name: 'trust-page-cache-after-failed-fsync',
    why: 'a start goes on with the tail segment as it reads: after a failed fsync that is not what the disk has',
    edits: [
      {
        file: `${STORAGE}/walSegment.ts`,
        find: "  try {\n    const copy = await ops.open(temporary, 'create');",
        replace: `  const trusted = await ops.open(path, 'log');
  if (segmentBytes > 0) {
    const at = { position: sound.length, allocated: sound.length };
    return new WalSegment(trusted, { number, recycled: false, ...at, segmentBytes });
  }
  try {
    const copy = await ops.open(temporary, 'create');`,
      },
    ],
    checkers: ['durability', 'one leader per term', 'run'],
    faults: ['diskError', 'power'],
    choices: { ...BRIEF, attackMs: 20_000, blowEveryMs: 500 },
    maxSeeds: 20,
  },
  {
    name: 'take-damage-for-torn',
    why: 'a bad batch with sound ones behind it is cut off like a torn one: a rotten member votes with a shorter log',
    edits: [
      {
        file: `${STORAGE}/walRecovery.ts`,
        find: 'if (stop === null || this.#damage !== null) return;',
        replace: 'if (stop === null || from >= 0) return;',
      },
    ],
    checkers: ['durability', 'one leader per term'],
    faults: ['bitRot', 'misdirectedWrite', 'kill'],
    choices: { ...BRIEF, attackMs: 20_000 },
    maxSeeds: 20,
  },
  {
    name: 'accept-bad-checksum',
    why: 'a batch is taken for sound whatever its checksum says',
    edits: [
      {
        file: `${STORAGE}/walCodec.ts`,
        find: 'return crc === file.readUInt32LE(position + BATCH_HEADER_BYTES - 4) ? header : null;',
        replace: 'return crc >= 0 ? header : null;',
      },
    ],
    checkers: ['log matching', 'run'],
    faults: ['bitRot', 'kill'],
    choices: BRIEF,
    maxSeeds: 20,
  },
  {
    name: 'drop-vote-of-idle-group',
    why: 'a new segment opens without the vote of a group that has no live entries: it goes with the old segment',
    edits: [
      {
        file: `${STORAGE}/liveLog.ts`,
        find: 'hardState: live.hardState,\n      snapshot: live.snapshot,',
        replace:
          'hardState: live.entries.length > 0 ? live.hardState : { term: live.hardState.term, vote: 0 },\n      snapshot: live.snapshot,',
      },
    ],
    checkers: ['one leader per term'],
    faults: ['kill'],
    choices: {
      ...BRIEF,
      shards: 3,
      clients: 2,
      attackMs: 20_000,
      blowEveryMs: 2_000,
      pauseMs: 1_000,
      tuning: { ...SMALL_LOG, snapshotEntries: 3 },
    },
    maxSeeds: 20,
  },
  {
    name: 'recycle-segment-in-use',
    why: 'an old segment goes although entries live in it',
    edits: [
      {
        file: `${STORAGE}/liveLog.ts`,
        find: 'if (group.runs.some((run) => run.segment === segment)) return true;',
        replace:
          'if (group.runs.length > 1 && group.runs.some((run) => run.segment === segment)) return true;',
      },
    ],
    checkers: ['run'],
    faults: ['kill', 'power'],
    choices: { ...BRIEF, tuning: SMALL_LOG },
    maxSeeds: 20,
  },
  {
    name: 'snapshot-name-not-synced',
    why: 'the log lets go of entries for a snapshot whose name in the directory may not survive a crash',
    edits: [
      {
        file: `${STORAGE}/snapshotStore.ts`,
        find: 'this.#newest.set(group, { stored, meta });\n      await this.#ops.syncDirectory(this.#directory);',
        replace: 'this.#newest.set(group, { stored, meta });',
      },
    ],
    checkers: ['run'],
    faults: ['power', 'blackout'],
    choices: { ...BRIEF, tuning: SMALL_LOG },
    maxSeeds: 10,
  },
  {
    name: 'snapshot-not-synced',
    why: 'a snapshot is put in place before its bytes are on disk',
    edits: [
      {
        file: `${STORAGE}/snapshotFile.ts`,
        find: 'await this.#put([trailer]);\n    await this.#file.sync();',
        replace: 'await this.#put([trailer]);',
      },
    ],
    checkers: ['run'],
    faults: ['power', 'blackout'],
    choices: { ...BRIEF, tuning: SMALL_LOG },
    maxSeeds: 10,
  },
];
