import { LIMITS, type Receipt } from '@synccluster/client/protocol';
import { MemberError } from '../errors.ts';

const RECEIPT = /^(\d{1,2})-(\d{1,16})-(\d{1,16})$/;

/** Receipts are opaque to HTTP clients. */
export function receiptText([partition, id, delivery]: Receipt): string {
  return `${partition}-${id}-${delivery}`;
}

export function parseReceipt(text: string, field: string): Receipt {
  const [, partition, id, delivery] = RECEIPT.exec(text) ?? [];
  const receipt: Receipt = [Number(partition), Number(id), Number(delivery)];
  if (
    partition === undefined ||
    receipt[0] >= LIMITS.partitionsMax ||
    !receipt.slice(1).every((part) => Number.isSafeInteger(part) && part >= 1)
  ) {
    throw new MemberError('INVALID_ARGUMENT', `${field} is not a receipt that a dequeue gave`);
  }
  return receipt;
}
