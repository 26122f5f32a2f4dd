export { type LocalCluster, type LocalClusterOptions, startLocalCluster } from './cluster/localCluster.ts';
export { LIMITS } from './limits.ts';
export { InvalidResultError, readResult } from './readResult.ts';
export { renderReport } from './report/html.ts';
export { renderSummary, renderTable } from './report/text.ts';
export { PRESETS, type Preset, type Result, type Settings } from './result.ts';
