import type { SyncError } from './errors.ts';

/** What a client tells its owner, instead of writing a log. */
export type ClientEvent =
  | { readonly type: 'connected'; readonly address: string; readonly member: number }
  | { readonly type: 'disconnected'; readonly address: string; readonly error: SyncError }
  /** `member` 0: the group has no leader at the moment. */
  | { readonly type: 'leaderChanged'; readonly group: number; readonly member: number }
  | { readonly type: 'sessionOpened'; readonly group: number; readonly session: number }
  /** For group 0: all locks of the session are lost with it. */
  | {
      readonly type: 'sessionLost';
      readonly group: number;
      readonly session: number;
      readonly error: SyncError;
    }
  /** The endpoints lead to another cluster now (a forced recovery): marks and sessions of the old one are void. */
  | { readonly type: 'clusterChanged'; readonly clusterId: string };
