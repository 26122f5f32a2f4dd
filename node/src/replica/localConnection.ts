import { type Push, type Reply, ReplyKind, type SessionId } from '@synccluster/client/protocol';
import { FrameDecoder, unpack } from '@synccluster/client/wire';
import { MemberError } from '../errors.ts';
import type { Connection } from './connection.ts';

export interface LocalAnswer {
  readonly index: number;
  readonly value: readonly unknown[];
}

/** Requests made inside this process: by the HTTP listener and by the member itself. */
export class LocalConnection implements Connection {
  readonly id: number;
  readonly forwarded = false;
  readonly closed = false;
  readonly #waiting = new Map<number, PromiseWithResolvers<LocalAnswer>>();
  readonly #watchers = new Map<string, Set<(push: Push) => void>>();
  #lastRequest = 0;

  constructor(id: number) {
    this.id = id;
  }

  /** `send` gets the request's id; the promise settles with its reply. */
  request(send: (request: number) => void): { readonly id: number; readonly answer: Promise<LocalAnswer> } {
    this.#lastRequest += 1;
    const id = this.#lastRequest;
    const answer = Promise.withResolvers<LocalAnswer>();
    this.#waiting.set(id, answer);
    try {
      send(id);
    } catch (error) {
      this.#waiting.delete(id);
      answer.reject(error);
    }
    return { id, answer: answer.promise };
  }

  /** Stops waiting: the request itself goes on. */
  abandon(id: number, reason: MemberError): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.reject(reason);
  }

  watch(group: number, session: SessionId, listener: (push: Push) => void): () => void {
    const key = `${group}/${session}`;
    const listeners = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#watchers.delete(key);
    };
  }

  /** Sessions of a group that somebody here listens to: attached again when the leader changes. */
  watched(group: number): SessionId[] {
    const prefix = `${group}/`;
    return [...this.#watchers.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => Number(key.slice(prefix.length)) as SessionId);
  }

  reply(reply: Reply): void {
    if (reply[0] === ReplyKind.Push) {
      for (const listener of this.#watchers.get(`${reply[1]}/${reply[2]}`) ?? []) listener(reply[3]);
      return;
    }
    if (reply[0] !== ReplyKind.Ok && reply[0] !== ReplyKind.Error) return;
    const waiting = this.#waiting.get(reply[1]);
    if (waiting === undefined) return;
    this.#waiting.delete(reply[1]);
    if (reply[0] === ReplyKind.Ok) {
      waiting.resolve({ index: reply[2], value: reply[3] as readonly unknown[] });
    } else {
      waiting.reject(new MemberError(reply[2], reply[3], { leader: reply[4], detail: reply[5] }));
    }
  }

  replyFrames(_requests: readonly number[], frames: Uint8Array): void {
    // Copied: replies may keep views of it (payloads of messages).
    for (const payload of new FrameDecoder().push(frames.slice())) this.reply(unpack(payload) as Reply);
  }

  flush(): void {}
}
