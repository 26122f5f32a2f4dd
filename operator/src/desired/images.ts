/** What this operator was released with. */
const RELEASE = '0.1.0';
export const NODE_IMAGE = `ghcr.io/synccluster/node:${RELEASE}`;
export const BENCH_IMAGE = `ghcr.io/synccluster/bench:${RELEASE}`;
/** The programs in those images. */
export const NODE_COMMAND = ['synccluster-node'];
export const BENCH_COMMAND = ['synccluster-bench'];
