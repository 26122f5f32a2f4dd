import type { Clock } from '../runtime/clock.ts';
import type { KubePort } from '../runtime/kube.ts';
import type { Logger } from '../runtime/logger.ts';
import { ApiClient } from './apiClient.ts';
import { type ClusterAccess, loadKubeConfig, ownNamespace } from './connect.ts';
import { EventRecorder } from './eventRecorder.ts';
import { KubernetesKube } from './kubernetesKube.ts';

export interface KubernetesOptions extends ClusterAccess {
  readonly version: string;
  /** Who reports events: the name of the pod. */
  readonly instance: string;
  readonly logger: Logger;
  readonly clock?: Clock;
}
export interface Kubernetes {
  readonly kube: KubePort;
  /** The same server, given up on within `timeoutMs`: for what must know soon. */
  withTimeout(timeoutMs: number): KubePort;
  /** The namespace of the pod, or of the kubeconfig's context. */
  readonly namespace: string;
  /** Sends the last events, then ends all requests. */
  close(): Promise<void>;
}

const LAST_EVENTS_MS = 2_000;

/** The Kube port of a real cluster. Nothing is sent yet; throws when there is no cluster to talk to. */
export function connectKubernetes(options: KubernetesOptions): Kubernetes {
  const { version, instance, logger, clock } = options;
  const client = new ApiClient({
    load: () => loadKubeConfig(options),
    userAgent: `synccluster-operator/${version}`,
    ...(clock === undefined ? {} : { clock }),
  });
  const events = new EventRecorder({ client, logger, instance });
  return {
    kube: new KubernetesKube({ client, events }),
    withTimeout: (timeoutMs) => new KubernetesKube({ client, events, timeoutMs }),
    namespace: ownNamespace(client.config),
    close: async () => {
      await events.close(LAST_EVENTS_MS);
      await client.close();
    },
  };
}
