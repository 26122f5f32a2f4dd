import { type Done, isDone, isKind, type Operation } from '../history/operations.ts';
import { eventsOf, queueHistories } from './messages.ts';
import { broken, type Violation } from './violation.ts';

const NAME = 'exactly once';

/**
 * A command has its effect once, however often it is sent: one message per enqueue, one version per put, and a
 * release that is sent again is answered as the first time.
 */
export function checkExactlyOnce(operations: readonly Operation[]): Violation[] {
  return [...oneMessageEach(operations), ...oneVersionEach(operations), ...releases(operations)];
}

function oneMessageEach(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  for (const { queue, messages } of queueHistories(operations)) {
    const payloadOf = new Map<string, string>();
    for (const message of messages.values()) {
      const places = new Set<string>();
      const { enqueue, deliveries, payload } = message;
      if (enqueue !== null && isDone(enqueue)) {
        places.add(`${enqueue.answer.partition}/${enqueue.answer.message}`);
      }
      for (const { record } of deliveries) places.add(`${record.partition}/${record.message}`);
      if (places.size > 1) {
        violations.push(
          broken(
            NAME,
            `queue "${queue}": "${payload}" was enqueued more than once: ${[...places].join(', ')}`,
            eventsOf(message),
          ),
        );
      }
      for (const place of places) {
        const other = payloadOf.get(place);
        if (other !== undefined && other !== payload) {
          violations.push(
            broken(
              NAME,
              `queue "${queue}": "${other}" and "${payload}" are both message ${place}`,
              eventsOf(message),
            ),
          );
        }
        payloadOf.set(place, payload);
      }
    }
  }
  return violations;
}

/** Versions name writes: within a key none comes twice, and each stands for one value. */
function oneVersionEach(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  const values = new Map<string, { value: string; operation: Operation }>();
  const versions = new Map<string, { version: number; operation: Operation }>();
  const seen = (key: string, version: number, value: string, operation: Operation): void => {
    const byVersion = JSON.stringify([key, version]);
    const sameVersion = values.get(byVersion);
    if (sameVersion === undefined) values.set(byVersion, { value, operation });
    else if (sameVersion.value !== value) {
      violations.push(
        broken(NAME, `key "${key}", version ${version}: both "${sameVersion.value}" and "${value}"`, [
          sameVersion.operation,
          operation,
        ]),
      );
    }
    const byValue = JSON.stringify([key, value]);
    const sameValue = versions.get(byValue);
    if (sameValue === undefined) versions.set(byValue, { version, operation });
    else if (sameValue.version !== version) {
      violations.push(
        broken(
          NAME,
          `key "${key}": "${value}" was written twice, as versions ${sameValue.version} and ${version}`,
          [sameValue.operation, operation],
        ),
      );
    }
  };
  for (const operation of operations) {
    if (isKind(operation, 'cachePut') && isDone(operation)) {
      seen(operation.call.key, operation.answer.version, operation.call.value, operation);
    } else if (isKind(operation, 'cacheGet') && isDone(operation) && operation.answer.value !== null) {
      seen(operation.call.key, operation.answer.version, operation.answer.value, operation);
    }
  }
  return violations;
}

/**
 * `LOCK_NOT_HELD` for a lock that the client was granted, had not released and was not told to have lost: the session
 * lives, or the answer would have been another, so the first of several sends was applied and its reply forgotten.
 */
function releases(operations: readonly Operation[]): Violation[] {
  const violations: Violation[] = [];
  const lost = new Set<string>();
  const grants = new Map<string, Done<'lockAcquire'>>();
  const keyOf = (client: number, name: string, token: number): string =>
    JSON.stringify([client, name, token]);
  for (const operation of operations) {
    if (isKind(operation, 'lockLost'))
      lost.add(keyOf(operation.client, operation.call.name, operation.call.token));
    if (isKind(operation, 'lockAcquire') && isDone(operation)) {
      grants.set(keyOf(operation.client, operation.call.name, operation.answer.token), operation);
    }
  }
  for (const operation of operations) {
    if (!isKind(operation, 'lockRelease') || operation.error !== 'LOCK_NOT_HELD') continue;
    const key = keyOf(operation.client, operation.call.name, operation.call.token);
    const grant = grants.get(key);
    if (grant === undefined || lost.has(key)) continue;
    violations.push(
      broken(
        NAME,
        `client ${operation.client} released lock "${operation.call.name}" and did not hold it any more`,
        [grant, operation],
      ),
    );
  }
  return violations;
}
