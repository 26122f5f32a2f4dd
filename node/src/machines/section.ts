/** First field of a snapshot record. Part of the snapshot format: append, never renumber. */
export const Section = {
  Header: 0,
  End: 1,
  Session: 2,
  Claim: 10,
  LockCounters: 11,
  Cluster: 12,
  CatalogueCounters: 13,
  CatalogueEntry: 14,
  Slots: 20,
  Queue: 21,
  Message: 22,
  CacheEntry: 23,
} as const;

/** Version of the records' layout. */
export const SNAPSHOT_FORMAT = 1;
