/** A group as its leader has it; members by ordinal. */
export interface GroupTruth {
  readonly group: number;
  readonly leader: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}
/** What a member says of its volume. */
export interface VolumeTruth {
  readonly clusterId: string | null;
  readonly empty: boolean;
}
/** How much is there, and the fencing token of a lock granted just now. */
export interface Left {
  readonly messages: number;
  readonly entries: number;
  readonly token: number;
}
export interface WriterCounts {
  readonly messages: number;
  readonly puts: number;
  readonly locks: number;
  /** Since the mark. */
  readonly longestGapMs: number;
}
export interface WriterResult extends WriterCounts {
  /** Each is a broken promise. */
  readonly losses: readonly string[];
}

/** What the program in the client's pod can be asked, and its answers. */
export interface CallAnswers {
  readonly use: {
    /** A lock that was held was refused to another. */
    readonly refused: boolean;
    /** Fencing tokens of two grants of one lock, one after the other. */
    readonly tokens: readonly [number, number];
    readonly sent: number;
    readonly received: number;
    /** Messages left in the queue. */
    readonly left: number;
    readonly hit: string | null;
    readonly missed: boolean;
  };
  readonly recall: { readonly token: number; readonly greeting: string | null };
  readonly leave: Left;
  readonly find: Left;
  readonly groups: readonly GroupTruth[];
  readonly volumes: readonly VolumeTruth[];
}
export type Call = keyof CallAnswers | 'write';
