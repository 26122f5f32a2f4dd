/** What was done to the cluster, as far as it took effect. */
export interface Counts {
  /** Of running members, by SIGKILL. */
  kills: number;
  partitions: number;
  pauses: number;
  terminations: number;
  wildClocks: number;
  /** The volume held not one more byte for a while. */
  diskFullPeriods: number;
  /** Started on a volume without a free byte. */
  startsOnFullDisk: number;
  slowLinks: number;
  /** Of links between clients and members. */
  clientFaults: number;
  scalings: number;
  volumesLost: number;
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
