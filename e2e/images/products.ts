/** A program of this repository that has an image of its own. */
export interface Product {
  readonly name: 'operator' | 'node' | 'bench';
  /** Folder of its workspace. */
  readonly workspace: string;
  /** What pod specs call it; on the image's PATH. */
  readonly program: string;
  /** Folders of `dist/` that the program in a cluster never loads, and what only they need. */
  readonly leftOut: { readonly folders: readonly string[]; readonly dependencies: readonly string[] };
}

const NOTHING = { folders: [], dependencies: [] };

export const PRODUCTS: readonly Product[] = [
  {
    name: 'operator',
    workspace: 'operator',
    program: 'synccluster-operator',
    // Local mode starts members and benchmarks as processes; in a cluster they are pods.
    leftOut: {
      folders: ['local', 'testing'],
      dependencies: [
        '@marcbachmann/cel-js',
        '@synccluster/bench',
        '@synccluster/client',
        '@synccluster/node',
      ],
    },
  },
  { name: 'node', workspace: 'node', program: 'synccluster-node', leftOut: NOTHING },
  { name: 'bench', workspace: 'bench', program: 'synccluster-bench', leftOut: NOTHING },
];

export function productNamed(name: string): Product {
  const product = PRODUCTS.find((candidate) => candidate.name === name);
  if (product === undefined)
    throw new Error(`no image ${name}: there are ${PRODUCTS.map((each) => each.name).join(', ')}`);
  return product;
}
