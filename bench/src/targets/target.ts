/** What a workload needs of a system under test; one implementation per system. */
export interface Target {
  /** Waits up to `waitMs` for the exclusive lock. */
  acquire(name: string, waitMs: number): Promise<HeldLock>;
  declareQueue(name: string, options: { visibilityMs: number }): Promise<void>;
  /** Resolves when the message is durable. */
  enqueue(queue: string, payload: Uint8Array): Promise<void>;
  /** Up to `max` messages; waits up to `waitMs` for the first. */
  receive(queue: string, max: number, waitMs: number): Promise<readonly ReceivedMessage[]>;
  /** Null: absent. */
  get(key: string): Promise<Uint8Array | null>;
  put(key: string, value: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface HeldLock {
  /** Fencing token. */
  readonly token: number;
  release(): Promise<void>;
}

export interface ReceivedMessage {
  readonly payload: Uint8Array;
  ack(): Promise<void>;
}

/** Which system to connect to: plain data, so that it can be sent to a worker process. */
export type TargetSpec =
  | { readonly kind: 'synccluster'; readonly endpoints: readonly string[] }
  | { readonly kind: 'memory'; readonly meanLatencyUs: number };
