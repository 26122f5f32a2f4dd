import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const text = readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8');
const promises = text.slice(0, text.indexOf('## Limits'));

it('every test that docs/guarantees.md names is there', () => {
  const paths = [...promises.matchAll(/`([a-z][\w./*-]*\/[\w.*-]+\.(?:ts|txt))`/gi)].map(([, path]) => path!);
  expect(paths.length).toBeGreaterThan(10);
  expect(paths.filter((path) => globSync(path, { cwd: ROOT }).length === 0)).toEqual([]);
});

it('every checker that docs/guarantees.md names is there', () => {
  const names = [...promises.matchAll(/checker ((?:`\w+`(?:, )?)+)/g)].flatMap(([, list]) =>
    [...list!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
  );
  expect(names.length).toBeGreaterThan(15);
  expect(names.filter((name) => !existsSync(join(ROOT, 'node/sim/checkers', `${name}.ts`)))).toEqual([]);
});

it('every end-to-end test that docs/guarantees.md names is there', () => {
  const section = promises.slice(promises.indexOf('## On Kubernetes'));
  const cells = [...section.matchAll(/\| ([^|]+) \|$/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
  );
  expect(cells.length).toBeGreaterThan(3);
  expect(cells.filter((name) => !existsSync(join(ROOT, 'e2e/suite', `${name}.e2e.ts`)))).toEqual([]);
});
