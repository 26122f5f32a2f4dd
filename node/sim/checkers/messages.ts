import { type DeliveryRecord, type Done, isDone, isKind, type Operation } from '../history/operations.ts';

interface SeenDelivery {
  readonly receive: Done<'receive'>;
  readonly record: DeliveryRecord;
}

/** Everything a history says about one payload of one queue. */
export interface MessageHistory {
  readonly queue: string;
  readonly payload: string;
  /** Null: nobody sent it. */
  enqueue: Operation<'enqueue'> | null;
  /** In the order in which they were received. */
  readonly deliveries: SeenDelivery[];
  readonly acks: Operation<'ack'>[];
  readonly nacks: Operation<'nack'>[];
}

export interface QueueHistory {
  readonly queue: string;
  readonly messages: Map<string, MessageHistory>;
  readonly receives: Operation<'receive'>[];
  readonly inspects: Operation<'queueInspect'>[];
}

/**
 * Sorts a history by queue and payload. Acks are put to the message whose delivery they name, or, where the delivery
 * was seen in another epoch, to the one that its sender was told is of that id; any other is put nowhere.
 */
export function queueHistories(operations: readonly Operation[]): QueueHistory[] {
  const queues = new Map<string, QueueHistory>();
  const queueOf = (queue: string): QueueHistory => {
    let known = queues.get(queue);
    if (known === undefined) {
      known = { queue, messages: new Map(), receives: [], inspects: [] };
      queues.set(queue, known);
    }
    return known;
  };
  const messageOf = (queue: string, payload: string): MessageHistory => {
    const { messages } = queueOf(queue);
    let message = messages.get(payload);
    if (message === undefined) {
      message = { queue, payload, enqueue: null, deliveries: [], acks: [], nacks: [] };
      messages.set(payload, message);
    }
    return message;
  };
  const byReceipt = new Map<string, MessageHistory>();
  const byId = new Map<string, MessageHistory>();
  const receipt = (queue: string, partition: number, message: number, delivery: number): string =>
    JSON.stringify([queue, partition, message, delivery]);

  for (const operation of operations) {
    if (isKind(operation, 'enqueue')) {
      const sent = messageOf(operation.call.queue, operation.call.payload);
      sent.enqueue = operation;
      if (isDone(operation)) {
        const { partition, message } = operation.answer;
        byId.set(JSON.stringify([operation.call.queue, partition, message]), sent);
      }
    } else if (isKind(operation, 'queueInspect')) {
      queueOf(operation.call.queue).inspects.push(operation);
    } else if (isKind(operation, 'receive')) {
      const { queue } = operation.call;
      queueOf(queue).receives.push(operation);
      if (!isDone(operation)) continue;
      for (const record of operation.answer.deliveries) {
        const message = messageOf(queue, record.payload);
        message.deliveries.push({ receive: operation, record });
        byReceipt.set(receipt(queue, record.partition, record.message, record.delivery), message);
      }
    }
  }
  for (const operation of operations) {
    if (!isKind(operation, 'ack') && !isKind(operation, 'nack')) continue;
    const { queue, partition, message, delivery } = operation.call;
    const found =
      byReceipt.get(receipt(queue, partition, message, delivery)) ??
      byId.get(JSON.stringify([queue, partition, message]));
    if (isKind(operation, 'ack')) found?.acks.push(operation);
    else found?.nacks.push(operation);
  }
  for (const { messages } of queues.values()) {
    for (const { deliveries } of messages.values()) {
      deliveries.sort((a, b) => a.receive.completed.order - b.receive.completed.order);
    }
  }
  return [...queues.values()];
}

/** The operations behind a message, for a violation. */
export function eventsOf({ enqueue, deliveries, acks }: MessageHistory): Operation[] {
  const events: Operation[] = enqueue === null ? [] : [enqueue];
  for (const { receive } of deliveries) if (!events.includes(receive)) events.push(receive);
  return [...events, ...acks];
}
