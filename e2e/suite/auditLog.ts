import { readFileSync } from 'node:fs';

export interface AuditedRequest {
  /** A watch is told of twice under one: when it begins and when it ends. */
  readonly auditID: string;
  readonly user: { readonly username: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly impersonatedUser?: { readonly username: string };
  readonly verb: string;
  readonly requestURI: string;
  /** None where it is about no object. */
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly requestReceivedTimestamp: string;
  readonly responseStatus?: { readonly code: number; readonly message?: string };
}

/** Requests of accounts whose name begins so, in their own name or lent to another, since a time in RFC 3339. */
export function readRequests(file: string, account: string, since: string): AuditedRequest[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes(account))
    .map((line) => JSON.parse(line) as AuditedRequest)
    .filter(
      ({ user, impersonatedUser, requestReceivedTimestamp }) =>
        (impersonatedUser ?? user).username.startsWith(account) && requestReceivedTimestamp >= since,
    );
}

/** A server says 403 too to those who may, where a namespace is being deleted: that is no lack of rights. */
export function isRefused({ responseStatus }: AuditedRequest): boolean {
  return (
    responseStatus?.code === 403 &&
    responseStatus.message?.endsWith('because it is being terminated') !== true
  );
}

/** Name of the pod that asked; none: not a pod. */
export function podOf({ user }: AuditedRequest): string | undefined {
  return user.extra?.['authentication.kubernetes.io/pod-name']?.[0];
}

export function describeRequest({ user, verb, requestURI }: AuditedRequest): string {
  return `${user.username}: ${verb} ${requestURI}`;
}
