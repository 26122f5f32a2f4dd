/**
 * Whether some majority of the members is up and linked both ways, each with each: then the cluster owes progress,
 * whatever happens to the others.
 */
export function hasQuorum(
  members: readonly number[],
  isUp: (ordinal: number) => boolean,
  isLinked: (from: number, to: number) => boolean,
): boolean {
  const up = members.filter(isUp);
  const needed = Math.floor(members.length / 2) + 1;
  const grow = (chosen: readonly number[], rest: readonly number[]): boolean => {
    if (chosen.length >= needed) return true;
    if (chosen.length + rest.length < needed) return false;
    const [next, ...others] = rest as readonly [number, ...number[]];
    const fits = chosen.every((other) => isLinked(other, next) && isLinked(next, other));
    return (fits && grow([...chosen, next], others)) || grow(chosen, others);
  };
  return members.length > 0 && grow([], up);
}
