/** What was done to the cluster, as far as it took effect. */
export interface Counts {
  /** By SIGKILL, of members that ended of it. */
  kills: number;
  /** In which something was on its way between members and did not arrive, or late. */
  partitions: number;
  pauses: number;
  /** That ended in order. */
  terminations: number;
  wildClocks: number;
  /** The volume held not one more byte for a while. */
  diskFullPeriods: number;
  /** Started on a volume without a free byte. */
  startsOnFullDisk: number;
  /** On which something was late. */
  slowLinks: number;
  /** Of links between clients and members, with something on its way. */
  clientFaults: number;
  scalings: number;
  /** That held something. */
  volumesLost: number;
  /** After which the other one led. */
  transfers: number;
}

export function noCounts(): Counts {
  return {
    kills: 0,
    partitions: 0,
    pauses: 0,
    terminations: 0,
    wildClocks: 0,
    diskFullPeriods: 0,
    startsOnFullDisk: 0,
    slowLinks: 0,
    clientFaults: 0,
    scalings: 0,
    volumesLost: 0,
    transfers: 0,
  };
}
