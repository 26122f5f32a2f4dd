import type { SessionId } from '@synccluster/client/protocol';
import { describe, expect, it } from 'vitest';
import { Attachments } from './attachments.ts';
import { Recorder } from './testing/recorder.ts';

const A = 1 as SessionId;
const B = 2 as SessionId;

describe('Attachments', () => {
  it('sends pushes where the last keepalive came from', () => {
    const attachments = new Attachments();
    const [before, now] = [new Recorder(), new Recorder()];
    attachments.attach(A, before);
    attachments.attach(A, now);
    attachments.drop(before);
    expect(attachments.get(A)).toBe(now);
    attachments.drop(now);
    expect(attachments.get(A)).toBeUndefined();
  });

  it('lets go of sessions that ended while their connection lives on', () => {
    const attachments = new Attachments();
    const connection = new Recorder();
    attachments.attach(A, connection);
    attachments.attach(B, connection);
    attachments.retain((session) => session === B);
    expect([attachments.get(A), attachments.get(B)]).toEqual([undefined, connection]);
  });

  it('takes no connection that closed while the keepalive was under way', () => {
    const attachments = new Attachments();
    const connection = new Recorder();
    connection.closed = true;
    attachments.attach(A, connection);
    expect(attachments.get(A)).toBeUndefined();
  });
});
