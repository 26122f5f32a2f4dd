import type { SessionId } from '@synccluster/client/protocol';
import type { Connection } from './connection.ts';

/** Where the pushes of a group's sessions go: to the connection that each one's last keepalive came from. */
export class Attachments {
  readonly #bySession = new Map<SessionId, Connection>();
  readonly #byConnection = new Map<Connection, Set<SessionId>>();

  attach(session: SessionId, connection: Connection): void {
    const before = this.#bySession.get(session);
    if (before === connection || connection.closed) return;
    if (before !== undefined) this.#forget(session, before);
    this.#bySession.set(session, connection);
    const sessions = this.#byConnection.get(connection);
    if (sessions === undefined) this.#byConnection.set(connection, new Set([session]));
    else sessions.add(session);
  }

  get(session: SessionId): Connection | undefined {
    return this.#bySession.get(session);
  }

  drop(connection: Connection): void {
    for (const session of this.#byConnection.get(connection) ?? []) this.#bySession.delete(session);
    this.#byConnection.delete(connection);
  }

  /** Lets go of sessions that have ended: a connection may outlive any number of them. */
  retain(lives: (session: SessionId) => boolean): void {
    for (const [session, connection] of this.#bySession) {
      if (lives(session)) continue;
      this.#bySession.delete(session);
      this.#forget(session, connection);
    }
  }

  clear(): void {
    this.#bySession.clear();
    this.#byConnection.clear();
  }

  #forget(session: SessionId, connection: Connection): void {
    const sessions = this.#byConnection.get(connection);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#byConnection.delete(connection);
  }
}
