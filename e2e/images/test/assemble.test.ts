import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assemble } from '../assemble.ts';
import { loadedFiles } from '../loadedFiles.ts';
import type { Product } from '../products.ts';

const PRODUCT: Product = { name: 'operator', workspace: 'app', program: 'the-app' };
let root: string;
let out: string;

function write(files: Readonly<Record<string, unknown>>): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  }
}
function manifest(name: string, dependencies: Readonly<Record<string, string>> = {}): object {
  return { name, type: 'module', main: 'index.js', dependencies };
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'assemble-'));
  out = join(root, 'out');
  write({
    'app/package.json': {
      ...manifest('app', { direct: '1', ours: '1', unused: '1' }),
      bin: { 'the-app': './dist/main.js' },
    },
    'app/dist/main.js': [
      '#!/usr/bin/env node',
      "import { part } from './part.js';",
      "import { direct } from 'direct';",
      "import { ours } from 'ours';",
      "const { lazy } = await import('./lazy.js');",
      "export const child = new URL('./child.js', import.meta.url);",
      'console.log(part, direct, ours, lazy);',
    ].join('\n'),
    'app/dist/part.js': "export const part = 'part';",
    'app/dist/lazy.js': "export const lazy = 'lazy';",
    'app/dist/child.js': 'export {};',
    'app/dist/never.js': "import 'unused';",
    'app/dist/part.d.ts': '',
    'app/dist/part.js.map': '',
    'app/src/main.ts': '',
    'ours/package.json': manifest('ours', { deep: '2' }),
    'ours/dist/index.js': "export { deep as ours } from 'deep';",
    'ours/src/index.ts': '',
    'ours/dist/removed.js': '',
    'node_modules/direct/package.json': {
      ...manifest('direct', { deep: '1', '@types/x': '1' }),
      optionalDependencies: { elsewhere: '1' },
    },
    'node_modules/direct/index.js': "export { deep as direct } from 'deep';",
    'node_modules/direct/index.d.ts': '',
    'node_modules/direct/README.md': '',
    'node_modules/direct/LICENSE.md': 'licence',
    'node_modules/direct/test/a.js': '',
    'node_modules/direct/lib/test/b.js': '',
    'node_modules/direct/node_modules/deep/package.json': manifest('deep'),
    'node_modules/direct/node_modules/deep/index.js': "export const deep = 'deep 1';",
    'node_modules/deep/package.json': manifest('deep'),
    'node_modules/deep/index.js': "export const deep = 'deep 2';",
    'node_modules/unused/package.json': manifest('unused'),
    'node_modules/@types/x/package.json': manifest('@types/x'),
    'node_modules/develop/package.json': manifest('develop'),
  });
  writeFileSync(
    join(root, 'ours/package.json'),
    JSON.stringify({ ...manifest('ours', { deep: '2' }), main: 'dist/index.js' }),
  );
  symlinkSync('../ours', join(root, 'node_modules/ours'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('what an image holds', () => {
  it('runs away from the repository, with each package in the version it asked for', () => {
    assemble(root, PRODUCT, out);
    const moved = mkdtempSync(join(tmpdir(), 'moved-'));
    try {
      execFileSync('cp', ['-a', `${out}/.`, moved]);
      rmSync(out, { recursive: true });
      expect(execFileSync(join(moved, 'bin/the-app'), { cwd: '/' }).toString()).toBe(
        'part deep 1 deep 2 lazy\n',
      );
    } finally {
      rmSync(moved, { recursive: true });
    }
  });

  it('has neither sources nor types, tests, maps, texts or packages for development, but licences', () => {
    assemble(root, PRODUCT, out);
    const absent = [
      'app/src',
      'app/dist/part.d.ts',
      'app/dist/part.js.map',
      'ours/src',
      'ours/dist/removed.js',
      'node_modules/direct/index.d.ts',
      'node_modules/direct/README.md',
      'node_modules/direct/test',
      'node_modules/develop',
      'node_modules/@types',
    ];
    expect(absent.filter((path) => existsSync(join(out, path)))).toEqual([]);
    expect(existsSync(join(out, 'node_modules/direct/LICENSE.md'))).toBe(true);
    expect(existsSync(join(out, 'node_modules/direct/lib/test/b.js'))).toBe(true);
  });

  it('has only files that the program can load, and what they import', () => {
    assemble(root, PRODUCT, out);
    expect(existsSync(join(out, 'app/dist/child.js'))).toBe(true);
    expect(existsSync(join(out, 'app/dist/never.js'))).toBe(false);
    expect(existsSync(join(out, 'node_modules/unused'))).toBe(false);
  });

  it('links workspaces within itself, by relative paths', () => {
    assemble(root, PRODUCT, out);
    const link = join(out, 'node_modules/ours');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readlinkSync(link)).toBe('../ours');
  });
});

describe('what cannot be assembled is refused', () => {
  it('when a package is not installed', () => {
    rmSync(join(root, 'node_modules/deep'), { recursive: true });
    expect(() => assemble(root, PRODUCT, out)).toThrow('deep, which ours needs, is not installed');
  });
  it('when the program imports what its workspace does not depend on', () => {
    write({ 'app/dist/part.js': "import 'develop';" });
    expect(() => assemble(root, PRODUCT, out)).toThrow('app imports develop, but does not depend on it');
  });
  it('when the program is not compiled', () => {
    rmSync(join(root, 'app/dist'), { recursive: true });
    expect(() => assemble(root, PRODUCT, out)).toThrow('run npm run build');
  });
  it('when it computes what it imports', () => {
    write({ 'app/dist/part.js': 'await import(name);' });
    expect(() => loadedFiles(join(root, 'app'), 'dist/main.js')).toThrow('imports what cannot be told');
  });
  it('when something is there already', () => {
    write({ 'out/file': '' });
    expect(() => assemble(root, PRODUCT, out)).toThrow('is not empty');
  });
});
