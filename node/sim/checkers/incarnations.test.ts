import { describe, expect, it } from 'vitest';
import type { QueueConfigured } from '../history/observations.ts';
import { checkHistory } from './checkHistory.ts';
import { newGenerations } from './incarnations.ts';
import { History, verdicts } from './testing/history.ts';
import { acknowledge, delivered, depth, send, take } from './testing/queue.ts';

const BROKEN = ['queue accounting: broken'];
const DECLARED = { queue: 'q', partitions: 1, visibilityMs: 1_000 };

/** A queue in one group, looked at in its members. */
class Story extends History {
  readonly configured: QueueConfigured[] = [];

  constructor() {
    super();
    this.declares(1);
  }
  /** The change gets to the group now. */
  arrives(generation: number): void {
    const order = this.nextOrder();
    this.configured.push({
      kind: 'queueConfigured',
      order,
      worldMs: this.nowMs,
      member: 1,
      group: 1,
      queue: 'q',
      generation,
    });
  }
  deletes(generation: number): void {
    const open = this.begin(3, 'queueDelete', { queue: 'q' });
    this.arrives(generation);
    open.ok({});
  }
  declares(generation: number): void {
    const open = this.begin(3, 'queueDeclare', DECLARED);
    this.arrives(generation);
    open.ok({});
  }
  get verdicts(): string[] {
    return verdicts(checkHistory(this.operations, { configured: this.configured }));
  }
}

describe('a queue that is deleted and declared anew', () => {
  it('begins empty: what was in it is rightly gone, and what is in it now is not', () => {
    const story = new Story();
    send(story, 'old', 1);
    send(story, 'seen', 2);
    take(story, delivered('seen', 2));
    story.deletes(2);
    story.declares(3);
    send(story, 'new', 3);
    take(story, delivered('new', 3));
    depth(story, 1);
    expect(story.verdicts).toEqual([]);
    acknowledge(story, 3);
    depth(story, 1);
    expect(story.verdicts).toEqual(BROKEN);
  });

  it('does not lose what is in it now', () => {
    const story = new Story();
    take(story);
    story.deletes(2);
    story.declares(3);
    send(story, 'a', 3);
    take(story, delivered('a', 3));
    send(story, 'b', 4);
    depth(story, 1);
    expect(story.verdicts).toEqual(BROKEN);
  });

  it('never gives out what was in the one before, and takes none of its receipts', () => {
    const back = new Story();
    send(back, 'old', 1);
    back.deletes(2);
    back.declares(3);
    take(back, delivered('old', 1));
    depth(back, 0);
    expect(back.verdicts).toEqual(BROKEN);

    const receipts = new Story();
    send(receipts, 'old', 1);
    take(receipts, delivered('old', 1));
    receipts.deletes(2);
    receipts.declares(3);
    acknowledge(receipts, 1);
    depth(receipts, 0);
    expect(receipts.verdicts).toEqual(BROKEN);
  });

  it('may take and give while its deletion is not where its messages are', () => {
    const story = new Story();
    story.did(3, 'queueDelete', { queue: 'q' }, {});
    story.did(3, 'queueDeclare', DECLARED, {});
    send(story, 'late', 1);
    take(story, delivered('late', 1));
    story.arrives(3);
    // Another member, and the same one after a restart.
    story.arrives(2);
    story.arrives(3);
    depth(story, 0);
    expect(story.verdicts).toEqual([]);
    expect(newGenerations(story.configured)).toHaveLength(2);
  });

  it('never uses an id twice', () => {
    const story = new Story();
    send(story, 'a', 1);
    story.deletes(2);
    story.declares(3);
    send(story, 'b', 1);
    take(story, delivered('b', 1));
    depth(story, 1);
    expect(story.verdicts).toContain('exactly once: broken');
    expect(story.verdicts).toContain('queue order: broken');
  });

  it('is believed to have its change everywhere, unseen, only in a world that is whole', () => {
    const history = new History();
    send(history, 'old', 1);
    const healedMs = history.nowMs;
    history.nowMs += 100;
    history.did(3, 'queueDelete', { queue: 'q' }, {});
    history.did(3, 'queueDeclare', DECLARED, {});
    send(history, 'new', 2);
    take(history, delivered('old', 1, 2));
    depth(history, 0);
    const since = (withinMs: number): string[] =>
      verdicts(checkHistory(history.operations, { healing: { healedMs, withinMs } })).filter((verdict) =>
        verdict.startsWith('queue accounting'),
      );
    // It came back, and the new one is lost.
    expect(since(10)).toEqual([...BROKEN, ...BROKEN]);
    expect(since(10_000)).toEqual([]);
  });
});

describe('a queue that was declared', () => {
  const told = (history: History): void => {
    history.nowMs += 20_000;
    history.begin(1, 'enqueue', { queue: 'q', key: null, payload: 'a', delayMs: 0 }).fail('NOT_FOUND');
    depth(history, 0);
  };

  it('is there, until somebody deletes it', () => {
    const history = new History();
    history.did(3, 'queueDeclare', DECLARED, {});
    told(history);
    expect(verdicts(checkHistory(history.operations))).toEqual(['declared queues: broken']);
    history.did(3, 'queueDelete', { queue: 'q' }, {});
    expect(verdicts(checkHistory(history.operations))).not.toContain('declared queues: broken');
  });

  it('may be gone with a forced recovery, and is there again once it is declared and all is well', () => {
    const history = new History();
    history.did(3, 'queueDeclare', DECLARED, {});
    const order = history.nextOrder();
    const healing = { healedMs: history.nowMs + 30_000, withinMs: 0 };
    told(history);
    const found = (): string[] =>
      verdicts(
        checkHistory(history.operations, { recoveries: [{ order, applied: new Map() }], healing }),
      ).filter((verdict) => verdict.startsWith('declared'));
    expect(found()).toEqual([]);
    history.did(3, 'queueDeclare', DECLARED, {});
    told(history);
    expect(found()).toEqual(['declared queues: broken']);
  });
});
