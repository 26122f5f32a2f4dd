/** Opens byte streams to members. The library never opens a socket itself. */
export interface Transport {
  /** `address` is `host:port`. Reports through `handlers`, never by throwing. */
  dial(address: string, handlers: LinkHandlers): Link;
}

export interface LinkHandlers {
  opened(): void;
  /** The chunk belongs to the receiver from here on. */
  data(chunk: Uint8Array): void;
  /** Once, and nothing after it; `error` null: closed by the other side in order. */
  closed(error: Error | null): void;
}

export interface Link {
  /** The bytes are not changed by the caller afterwards. */
  write(bytes: Uint8Array): void;
  /** Drops the stream; `closed` is not reported any more. */
  destroy(): void;
}
