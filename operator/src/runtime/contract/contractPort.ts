import type { KubePort } from '../kube.ts';

/** A port under test, and what differs between one server and another. */
export interface ContractPort {
  readonly kube: KubePort;
  /** A namespace nobody else uses, ready for objects. */
  namespace(): Promise<string>;
  /** A version whose changes are no longer known. */
  readonly ancientVersion: string;
  /** Another client of the same server, with a field manager of its own; null where there is none. */
  readonly other: KubePort | null;
  close(): Promise<void>;
}
