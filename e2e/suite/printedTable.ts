/** Rows of what `kubectl get` prints for people, each by its columns' heads; an empty cell is ''. */
export function parsePrinted(text: string): Record<string, string>[] {
  const [head = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  // A head may hold one space, as cells may; columns are parted by three.
  const columns = [...head.matchAll(/\S+(?: \S+)*/g)].map((match) => ({ name: match[0], at: match.index }));
  return lines.map((line) => {
    const characters = [...line];
    return Object.fromEntries(
      columns.map(({ name, at }, index) => {
        const end = columns[index + 1]?.at;
        return [name, characters.slice(at, end).join('').trim()] as const;
      }),
    );
  });
}
