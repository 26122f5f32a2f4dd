import { type Arena, type Blow, between } from './arena.ts';
import type { FaultName } from './plan.ts';

export function networkBlows(arena: Arena): Partial<Record<FaultName, Blow>> {
  return {
    partition: () => partition(arena),
    oneWay: () => oneWay(arena),
    bridge: () => bridge(arena),
    clog: () => clog(arena),
    clientCut: () => cutClient(arena),
    reset: () => reset(arena),
  };
}

function partition(arena: Arena): boolean {
  const { random, clients } = arena;
  const hosts = random.shuffled(arena.hosts());
  if (hosts.length === 0) return false;
  const cut = 1 + random.below(Math.max(1, hosts.length - 1));
  const [a, b] = [hosts.slice(0, cut), hosts.slice(cut)];
  // Clients on either side: who leads on the wrong one goes on taking writes.
  if (random.chance(0.5)) for (const { host } of clients) (random.chance(0.5) ? a : b).push(host);
  const ms = arena.lastingMs();
  arena.note(`${a.join(' ')} | ${b.join(' ')} for ${Math.round(ms)} ms`);
  const pairs = between(a, b);
  arena.cut(pairs, ms);
  return pairs.length > 0;
}

function oneWay(arena: Arena): boolean {
  const [from, to] = arena.random.shuffled(arena.hosts());
  if (from === undefined || to === undefined) return false;
  const ms = arena.lastingMs();
  arena.note(`nothing from ${from} to ${to} for ${Math.round(ms)} ms`);
  arena.cut([[from, to]], ms);
  return true;
}

function bridge(arena: Arena): boolean {
  const [, ...rest] = arena.random.shuffled(arena.hosts());
  const half = Math.floor(rest.length / 2);
  const [a, b] = [rest.slice(0, half), rest.slice(half)];
  const ms = arena.lastingMs();
  arena.note(`a bridge between ${a.join(' ')} and ${b.join(' ')} for ${Math.round(ms)} ms`);
  const pairs = between(a, b);
  arena.cut(pairs, ms);
  return pairs.length > 0;
}

function clog(arena: Arena): boolean {
  const { random, clients } = arena;
  const [one, other] = random.shuffled(arena.hosts());
  if (one === undefined) return false;
  const ends = [one, random.chance(0.3) || other === undefined ? random.pick(clients).host : other];
  const [from, to] = random.shuffled(ends) as [string, string];
  const link = arena.options.network.link(from, to);
  link.clogMs = random.logBetween(10, 5_000);
  const ms = arena.lastingMs();
  arena.note(`${from} > ${to} takes ${Math.round(link.clogMs)} ms more for ${Math.round(ms)} ms`);
  arena.later(ms, () => {
    link.clogMs = 0;
  });
  return true;
}

/** In the middle of whatever goes over them: both ends know at once, and neither what the other one has got. */
function reset(arena: Arena): boolean {
  const { random, clients } = arena;
  const { network } = arena.options;
  const host = random.pick([...arena.hosts(), ...clients.map((client) => client.host)]);
  const members = arena.hosts().filter((member) => member !== host);
  const others = random.chance(0.3) ? members : random.shuffled(members).slice(0, 1);
  let connections = 0;
  for (const other of others) connections += network.reset(host, other);
  arena.note(`${connections} connections between ${host} and ${others.join(' ')} are reset`);
  return connections > 0;
}

/** A member by itself, with some of the clients on its side of the cut. */
export function strand(arena: Arena, host: string, ms: number): void {
  const others = arena.hosts().filter((other) => other !== host);
  const along = arena.clients.map((client) => client.host).filter(() => arena.random.chance(0.4));
  arena.note(`${[host, ...along].join(' ')} by themselves for ${Math.round(ms)} ms`);
  arena.cut(between([host, ...along], others), ms);
}

function cutClient(arena: Arena): boolean {
  const { random, clients } = arena;
  const { host } = random.pick(clients);
  const members = arena.hosts().filter(() => random.chance(0.6));
  const ms = arena.lastingMs();
  arena.note(`${host} is cut off from ${members.join(' ')} for ${Math.round(ms)} ms`);
  const there = members.map((member): [string, string] => [host, member]);
  const back = members.map((member): [string, string] => [member, host]);
  arena.cut(random.pick([there, back, [...there, ...back]]), ms);
  return members.length > 0;
}
