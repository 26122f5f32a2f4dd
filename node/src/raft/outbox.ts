import type { Message } from './types.ts';

/** Never the live array: what was taken must not grow under the driver's hands. */
const NONE: readonly Message[] = [];

/** Messages since the last ready, by whether they promise something that must be durable first. */
export class Outbox {
  private now: Message[] = [];
  private afterPersist: Message[] = [];

  /**
   * For what promises nothing about this member: a leader's appends and heartbeats, pre-votes, refusals, and answers
   * to heartbeats (they say "no newer leader has my vote", and every vote was durable before it left).
   */
  send(message: Message): void {
    this.now.push(message);
  }

  /**
   * For what others count on after a crash of this member: granted votes, accepted appends, and a candidate's
   * requests. The last, because an answer to a request of before a crash would count for the same term after it,
   * when the log that was vouched for may be shorter.
   */
  sendAfterPersist(message: Message): void {
    this.afterPersist.push(message);
  }

  takeNow(): readonly Message[] {
    if (this.now.length === 0) return NONE;
    const messages = this.now;
    this.now = [];
    return messages;
  }

  takeAfterPersist(): readonly Message[] {
    if (this.afterPersist.length === 0) return NONE;
    const messages = this.afterPersist;
    this.afterPersist = [];
    return messages;
  }
}
