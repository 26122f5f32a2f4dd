const RELEASE = '0.1.0';

/** What runs where neither the user nor what runs already says otherwise. */
export interface Images {
  readonly node: string;
  readonly bench: string;
}
/** What this operator was released with; where they come from a mirror, its configuration names that. */
export const RELEASED_IMAGES: Images = {
  node: `ghcr.io/synccluster/node:${RELEASE}`,
  bench: `ghcr.io/synccluster/bench:${RELEASE}`,
};
/** The programs in those images. */
export const NODE_COMMAND = ['synccluster-node'];
export const BENCH_COMMAND = ['synccluster-bench'];
