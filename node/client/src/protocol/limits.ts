/** Bounds that every member enforces alike. Their change is a new feature level. */
export const LIMITS = {
  /** One frame on a client or peer connection, its length prefix not counted. */
  frameBytes: 4 * 1024 * 1024,
  /** Names of locks and queues, in UTF-8 bytes. */
  nameBytes: 256,
  /** Cache keys, in UTF-8 bytes. */
  keyBytes: 1024,
  /** One cache value or message payload. */
  valueBytes: 1024 * 1024,
  /** Messages of one enqueue, dequeue, ack, nack or extend. */
  batchMessages: 256,
  /** Payloads of one dequeue: it ends with the message that reaches this, so that its reply fits a frame. */
  deliveryBytes: 2 * 1024 * 1024,
  /** One command, packed. */
  commandBytes: 2 * 1024 * 1024,
  sessionTtlMinMs: 1_000,
  sessionTtlMaxMs: 3_600_000,
  visibilityMinMs: 100,
  visibilityMaxMs: 12 * 3_600_000,
  /** Waits, delays and cache TTLs. */
  durationMaxMs: 365 * 24 * 3_600_000,
  longPollMaxMs: 60_000,
  partitionsMax: 64,
  /** Writes of one (session, group) that may be sent and not yet acknowledged. */
  sessionWindow: 4096,
  labelBytes: 256,
} as const;
