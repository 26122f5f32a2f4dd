import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { CA_CERTIFICATE, certificateOf, keyOf } from '../rig/certificates.ts';
import { API_SERVER } from '../rig/settings.ts';
import { MEMBERS } from './demo.ts';
import type { LedGroup, ScalingState } from './scalingSteps.ts';

const ADMIN_PORT = 7403;
/** One that ends does not hold the others up. */
const MEMBER_TIMEOUT_MS = 250;

/** What a member's admin API answers, as far as it is looked at here. */
interface MemberStatus {
  readonly memberId: number;
  readonly ordinal: number;
  readonly groups: readonly {
    readonly group: number;
    readonly role: string;
    readonly term: number;
    readonly lastIndex: number;
    readonly configuration: {
      readonly voters: readonly Configured[];
      readonly learners: readonly Configured[];
    };
    readonly progress: readonly { readonly id: number; readonly match: number }[];
  }[];
  readonly roster: {
    readonly version: number;
    readonly members: readonly { readonly ordinal: number; readonly target: 'learner' | 'voter' }[];
  };
}
interface Configured {
  readonly id: number;
  readonly ordinal: number;
}
interface Named {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
}
interface Pod extends Named {
  readonly status?: { readonly podIP?: string };
}

const ordinalOf = (name: string): number => Number(name.slice(name.lastIndexOf('-') + 1));

/** Sees a cluster on the rig within milliseconds, without kubectl: what is looked for may be over in a tenth of a second. */
export class ScalingObserver {
  readonly #namespace: string;
  readonly #cluster: string;
  readonly #agent = new Agent({
    keepAlive: true,
    ca: readFileSync(CA_CERTIFICATE),
    cert: readFileSync(certificateOf('observer')),
    key: readFileSync(keyOf('observer')),
  });

  constructor(namespace: string, cluster: string) {
    this.#namespace = namespace;
    this.#cluster = cluster;
  }

  close(): void {
    this.#agent.destroy();
  }

  async state(): Promise<ScalingState> {
    const of = `/namespaces/${this.#namespace}`;
    const selected = `labelSelector=${encodeURIComponent(MEMBERS)}`;
    const [stateful, claims, pods] = await Promise.all([
      this.#get<{ spec: { replicas: number } }>(`/apis/apps/v1${of}/statefulsets/${this.#cluster}`),
      this.#get<{ items: Named[] }>(`/api/v1${of}/persistentvolumeclaims?${selected}`),
      this.#get<{ items: Pod[] }>(`/api/v1${of}/pods?${selected}`),
    ]);
    const members = await Promise.all(pods.items.map((pod) => observeMember(pod)));
    const statuses = members.flatMap(({ status }) => (status === null ? [] : [status]));
    const newest = statuses.reduce<MemberStatus['roster'] | null>(
      (best, { roster }) => (best === null || roster.version > best.version ? roster : best),
      null,
    );
    return {
      replicas: stateful.spec.replicas,
      claims: claims.items
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata }) => ordinalOf(metadata.name)),
      reporting: members.filter(({ reports }) => reports).map(({ ordinal }) => ordinal),
      roster: new Map((newest?.members ?? []).map(({ ordinal, target }) => [ordinal, target])),
      groups: ledGroups(statuses),
    };
  }

  /** Has the leader of a group hand it to a member. */
  async transfer(group: number, ordinal: number): Promise<void> {
    const path = `/api/v1/namespaces/${this.#namespace}/pods?labelSelector=${encodeURIComponent(MEMBERS)}`;
    const members = await Promise.all((await this.#get<{ items: Pod[] }>(path)).items.map(observeMember));
    const to = members.find((member) => member.ordinal === ordinal);
    const from = members.find(({ status }) =>
      status?.groups.some((candidate) => candidate.group === group && candidate.role === 'leader'),
    );
    if (from === undefined || to?.status == null)
      throw new Error(`group ${group} cannot go to ${ordinal} now`);
    if (from === to) return;
    const answer = await fetch(`http://${from.address}:${ADMIN_PORT}/admin/v1/transfer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ group, to: to.status.memberId }),
    });
    if (!answer.ok) throw new Error(`group ${group} does not go to ${ordinal}: ${await answer.text()}`);
  }

  /** An object of the API server. */
  #get<T>(path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const url = `https://${API_SERVER.address}:${API_SERVER.port}${path}`;
      const request = get(url, { agent: this.#agent, timeout: 5_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          if (response.statusCode !== 200) return reject(new Error(`${path}: ${text.slice(0, 300)}`));
          resolve(JSON.parse(text) as T);
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${path}: no answer`)));
      request.on('error', reject);
    });
  }
}

interface ObservedMember {
  readonly ordinal: number;
  readonly address: string | null;
  readonly reports: boolean;
  readonly status: MemberStatus | null;
}

async function observeMember({ metadata, status: podStatus }: Pod): Promise<ObservedMember> {
  const ordinal = ordinalOf(metadata.name);
  const address = podStatus?.podIP;
  if (address === undefined) return { ordinal, address: null, reports: false, status: null };
  const [identity, status] = await Promise.all([
    ask<unknown>(address, 'identity'),
    ask<MemberStatus>(address, 'status'),
  ]);
  return { ordinal, address, reports: identity !== null, status };
}

/** Null: no answer, or none yet. */
async function ask<T>(address: string, call: string): Promise<T | null> {
  try {
    const signal = AbortSignal.timeout(MEMBER_TIMEOUT_MS);
    const answer = await fetch(`http://${address}:${ADMIN_PORT}/admin/v1/${call}`, { signal });
    return answer.ok ? ((await answer.json()) as T) : null;
  } catch {
    return null;
  }
}

/** A deposed leader may still believe that it leads: the highest term is right. */
function ledGroups(statuses: readonly MemberStatus[]): LedGroup[] | null {
  const count = Math.max(0, ...statuses.map(({ groups }) => groups.length));
  const led: LedGroup[] = [];
  for (let group = 0; group < count; group++) {
    const [best] = statuses
      .flatMap(({ ordinal, groups }) => groups.map((own) => ({ ordinal, ...own })))
      .filter((own) => own.group === group && own.role === 'leader')
      .sort((a, b) => b.term - a.term);
    if (best === undefined) return null;
    const { voters, learners } = best.configuration;
    const lagOf = ({ id, ordinal }: Configured): number => {
      if (ordinal === best.ordinal) return 0;
      return best.lastIndex - (best.progress.find((progress) => progress.id === id)?.match ?? 0);
    };
    led.push({
      leader: best.ordinal,
      voters: voters.map(({ ordinal }) => ordinal),
      learners: learners.map(({ ordinal }) => ordinal),
      lags: new Map([...voters, ...learners].map((member) => [member.ordinal, lagOf(member)])),
    });
  }
  return count === 0 ? null : led;
}
