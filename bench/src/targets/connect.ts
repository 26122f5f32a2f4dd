import { MemoryTarget } from './memoryTarget.ts';
import type { Target, TargetSpec } from './target.ts';

export async function connectTarget(spec: TargetSpec): Promise<Target> {
  switch (spec.kind) {
    case 'memory':
      return new MemoryTarget(undefined, spec.meanLatencyUs);
    case 'synccluster': {
      const { SyncClusterTarget } = await import('./syncclusterTarget.ts');
      return await SyncClusterTarget.connect(spec.endpoints);
    }
  }
}
