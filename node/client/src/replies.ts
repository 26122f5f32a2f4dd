import { isErrorCode } from './protocol/errors.ts';
import {
  type ErrorReply,
  type HelloReply,
  type LeadersReply,
  type MemberAddress,
  type OkReply,
  PROTOCOL_VERSION,
  type PushReply,
  type Reply,
  ReplyKind,
} from './protocol/frames.ts';
import { SLOT_COUNT } from './protocol/slots.ts';
import { unpack, WireError } from './wire/index.ts';

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isMember(value: unknown): value is MemberAddress {
  if (typeof value !== 'object' || value === null) return false;
  const { id, ordinal, client, http } = value as Record<string, unknown>;
  return (
    isCount(id) &&
    isCount(ordinal) &&
    typeof client === 'string' &&
    (http === undefined || typeof http === 'string')
  );
}

function isMembers(value: unknown): boolean {
  return Array.isArray(value) && value.every(isMember);
}

function isLeaders(value: unknown): boolean {
  return Array.isArray(value) && value.every(isCount);
}

function isHello(reply: readonly unknown[]): boolean {
  const [, version, clusterId, self, members, epoch, table, leaders] = reply;
  return (
    isCount(version) &&
    typeof clusterId === 'string' &&
    isCount(self) &&
    isMembers(members) &&
    isCount(epoch) &&
    table instanceof Uint8Array &&
    (table.length === SLOT_COUNT || table.length === 0) &&
    isLeaders(leaders)
  );
}

function checkVersion(hello: HelloReply): HelloReply {
  if (hello[1] !== PROTOCOL_VERSION) {
    throw new WireError('PROTOCOL', `the member speaks version ${hello[1]}, this client ${PROTOCOL_VERSION}`);
  }
  return hello;
}

/** A newer member may know more codes: what it refused is refused, and the connection is fine. */
function unknownError(reply: readonly unknown[]): ErrorReply {
  const [kind, request, code, message, leader, detail] = reply;
  return [kind, request, 'INTERNAL', `${String(code)}: ${String(message)}`, leader, detail] as ErrorReply;
}

/** Unpacks a frame from a member and checks its envelope, so that nothing behind it meets a wrong shape. */
export function readReply(payload: Uint8Array): Reply {
  const reply = unpack(payload);
  if (Array.isArray(reply)) {
    switch (reply[0]) {
      case ReplyKind.Ok:
        if (isCount(reply[1]) && isCount(reply[2]) && Array.isArray(reply[3]))
          return reply as unknown as OkReply;
        break;
      case ReplyKind.Error:
        if (
          isCount(reply[1]) &&
          typeof reply[2] === 'string' &&
          typeof reply[3] === 'string' &&
          isCount(reply[4]) &&
          isCount(reply[5])
        )
          return isErrorCode(reply[2]) ? (reply as unknown as ErrorReply) : unknownError(reply);
        break;
      case ReplyKind.Push:
        if (isCount(reply[1]) && isCount(reply[2]) && Array.isArray(reply[3]))
          return reply as unknown as PushReply;
        break;
      case ReplyKind.Leaders:
        if (isMembers(reply[1]) && isLeaders(reply[2])) return reply as unknown as LeadersReply;
        break;
      case ReplyKind.Hello:
        if (isHello(reply)) return checkVersion(reply as unknown as HelloReply);
        break;
      default:
    }
  }
  throw new WireError('PROTOCOL', 'a reply has an unknown shape');
}
