/** A program of this repository that has an image of its own. */
export interface Product {
  readonly name: 'operator' | 'node' | 'bench';
  /** Folder of its workspace. */
  readonly workspace: string;
  /** What pod specs call it; on the image's PATH. */
  readonly program: string;
}

export const PRODUCTS: readonly Product[] = [
  { name: 'operator', workspace: 'operator', program: 'synccluster-operator' },
  { name: 'node', workspace: 'node', program: 'synccluster-node' },
  { name: 'bench', workspace: 'bench', program: 'synccluster-bench' },
];

export function productNamed(name: string): Product {
  const product = PRODUCTS.find((candidate) => candidate.name === name);
  if (product === undefined)
    throw new Error(`no image ${name}: there are ${PRODUCTS.map((each) => each.name).join(', ')}`);
  return product;
}
