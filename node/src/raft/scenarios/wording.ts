import type { Configuration, Entry, Message, RaftStatus, SnapshotMeta } from '../types.ts';
import { EntryKind } from '../types.ts';

/** Ids in a transcript are small numbers; 0 is nobody. */
const ids = (members: readonly { readonly id: number }[]): string => members.map(({ id }) => id).join(' ');

function wordConfiguration(configuration: Configuration): string {
  const { voters, learners } = configuration;
  return `voters ${ids(voters)}${learners.length === 0 ? '' : ` learners ${ids(learners)}`}`;
}

function wordData(data: Uint8Array): string {
  let text = '';
  for (const byte of data) text += String.fromCharCode(byte);
  return text;
}

/** `index/term` and what it is. */
export function wordEntry(entry: Entry): string {
  const position = `${entry.index}/${entry.term}`;
  if (entry.kind === EntryKind.Empty) return `${position} empty`;
  if (entry.configuration !== null) return `${position} ${wordConfiguration(entry.configuration)}`;
  return `${position} ${wordData(entry.data)}`;
}

export function wordSnapshot(meta: SnapshotMeta): string {
  return `snapshot to ${meta.index}/${meta.term}, ${wordConfiguration(meta.configuration)}`;
}

function wordBody(message: Message): string {
  const { term } = message;
  switch (message.type) {
    case 'vote': {
      const forced = message.transfer ? ', told to by the leader' : '';
      const asked = message.preVote ? 'may I campaign in' : 'vote for me in';
      return `${asked} term ${term}? my log ends ${message.lastIndex}/${message.lastTerm}${forced}`;
    }
    case 'voteResponse': {
      const asked = message.preVote ? 'pre-vote' : 'vote';
      return `${asked} ${message.granted ? 'granted' : 'refused'}, term ${term}`;
    }
    case 'append': {
      const entries = message.entries.map(wordEntry).join(', ');
      const position = `${message.prevIndex}/${message.prevTerm}`;
      return `append after ${position} [${entries}] commit ${message.commit}, term ${term}`;
    }
    case 'appendResponse':
      if (!message.rejected) return `stored to ${message.index}, term ${term}`;
      return `no match at ${message.index}, try from ${message.hintIndex}/${message.hintTerm}, term ${term}`;
    case 'heartbeat':
      return `heartbeat round ${message.round} commit ${message.commit}, term ${term}`;
    case 'heartbeatResponse':
      return `heard round ${message.round}, term ${term}`;
    case 'snapshot':
      return `${wordSnapshot(message.meta)}, term ${term}`;
    case 'timeoutNow':
      return `campaign now, term ${term}`;
  }
}

export function wordMessage(message: Message): string {
  return `${message.from}->${message.to} ${wordBody(message)}`;
}

function wordRole(status: RaftStatus): string {
  const { role, term, leader } = status;
  if (role === 'leader') return `leads term ${term}`;
  if (role === 'candidate') return `campaigns in term ${term}`;
  if (role === 'preCandidate') return `asks around, term ${term}`;
  return leader === 0 ? `follows nobody, term ${term}` : `follows ${leader}, term ${term}`;
}

/** What of a member's state differs, as a reader wants to know it; null: nothing. */
export function wordChange(before: RaftStatus, after: RaftStatus): string | null {
  const changes: string[] = [];
  if (wordRole(before) !== wordRole(after)) changes.push(wordRole(after));
  if (wordConfiguration(before.configuration) !== wordConfiguration(after.configuration)) {
    changes.push(`counts ${wordConfiguration(after.configuration)}`);
  }
  if (before.commit !== after.commit) changes.push(`commit ${after.commit}`);
  if (before.applied !== after.applied) changes.push(`applied ${after.applied}`);
  if (after.role === 'leader' && before.transferee !== after.transferee) {
    changes.push(after.transferee === 0 ? 'stays leader' : `hands over to ${after.transferee}`);
  }
  return changes.length === 0 ? null : `${after.id}: ${changes.join(', ')}`;
}

export function wordStatus(status: RaftStatus): string {
  const { id, commit, durable, applied, firstIndex, lastIndex, lastTerm } = status;
  const log = `log ${firstIndex}..${lastIndex}/${lastTerm}, durable ${durable}, commit ${commit}, applied ${applied}`;
  return `${id}: ${wordRole(status)}; ${log}; ${wordConfiguration(status.configuration)}`;
}

export function wordProgress(status: RaftStatus): string[] {
  const peers = status.progress.filter(({ id }) => id !== status.id);
  return peers.map(({ id, match, next, state, active }) => {
    return `${status.id} of ${id}: ${state}, match ${match}, next ${next}${active ? '' : ', silent'}`;
  });
}
