/**
 * Members by their part at the moment: rank 0 is the leader of the group, the others follow by ordinal. So a seed
 * means the same attack although elections go their own way.
 */
export interface Whom {
  readonly group: number;
  readonly ranks: readonly number[];
}

export type ProcessFault =
  /** SIGKILL at once; started again at the end, `gapMs` apart. */
  | { readonly kind: 'kill'; readonly whom: Whom; readonly gapMs: number }
  /** Killed again while it recovers, and started once more at the end. */
  | { readonly kind: 'killTwice'; readonly whom: Whom; readonly againAfterMs: number }
  /** All at once, as when the power goes. */
  | { readonly kind: 'killAll'; readonly gapMs: number }
  /** SIGSTOP until the end. */
  | { readonly kind: 'pause'; readonly whom: Whom }
  /** The leader stands still while all others are killed and come back; then it goes on as if nothing had been. */
  | { readonly kind: 'pauseAndKillOthers'; readonly whom: Whom }
  /** SIGTERM: leaderships are handed over; started again at the end. */
  | { readonly kind: 'terminate'; readonly whom: Whom }
  /** Killed, and back with a wall clock that is hours off; all other clocks are off by a little. */
  | {
      readonly kind: 'wildClock';
      readonly whom: Whom;
      readonly skewMs: number;
      readonly othersSkewMs: number;
    };

export type NetworkFault =
  /** No link from or to them. `cut`: connections end; else they hang. */
  | { readonly kind: 'isolate'; readonly whom: Whom; readonly cut: boolean; readonly clientsToo: boolean }
  /** They and some clients reach each other alone, all others are with the other clients: each side believes itself. */
  | { readonly kind: 'island'; readonly whom: Whom }
  /** They hear nobody but are heard. */
  | { readonly kind: 'deafen'; readonly whom: Whom }
  /** They hear but are not heard. */
  | { readonly kind: 'mute'; readonly whom: Whom }
  /** Two that do not reach each other, while others reach both. */
  | { readonly kind: 'bridge'; readonly whom: Whom; readonly cut: boolean }
  /** Nobody reaches anybody. */
  | { readonly kind: 'apart'; readonly cut: boolean }
  /** Connections are reset again and again. */
  | { readonly kind: 'flap'; readonly whom: Whom; readonly periodMs: number }
  | { readonly kind: 'slow'; readonly delayMs: number; readonly jitterMs: number }
  /** Requests arrive, answers do not; at the end the connections are reset, and the answers are lost. */
  | { readonly kind: 'swallowAnswers'; readonly whom: Whom }
  /** Clients do not reach these members, which are well. */
  | { readonly kind: 'closeDoors'; readonly whom: Whom; readonly cut: boolean };

export type OtherFault =
  /** Somebody else's file takes the last byte of one member's volume; it is killed and started on it meanwhile. */
  | { readonly kind: 'fillDisk'; readonly killAfterMs: number }
  | { readonly kind: 'scale'; readonly members: number }
  /** The volume is lost; the member is dismissed and admitted again under a new id. */
  | { readonly kind: 'loseVolume'; readonly whom: Whom }
  /** Leadership moves by command. */
  | { readonly kind: 'transfer'; readonly group: number };

export type Fault = ProcessFault | NetworkFault | OtherFault;
type FaultKind = Fault['kind'];

const PARTITIONS: ReadonlySet<FaultKind> = new Set([
  'isolate',
  'island',
  'deafen',
  'mute',
  'bridge',
  'apart',
  'flap',
]);

/** Whether it keeps members from reaching each other. */
export function isPartition({ kind }: Fault): boolean {
  return PARTITIONS.has(kind);
}
