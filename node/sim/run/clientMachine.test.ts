import { expect, it } from 'vitest';
import { pass } from '../world/testing.ts';
import { World } from '../world/world.ts';
import { ClientMachine } from './clientMachine.ts';

it('the process of a client dies with all that it was at, and only then does another one begin', async () => {
  const world = new World(1);
  let restarts = 0;
  const machine = new ClientMachine(world, 'client-0', { rate: 1, wallOffsetMs: 5, turnMs: 0 }, () => {
    restarts += 1;
  });
  const first = machine.process;
  let fired = 0;
  first.after(100, () => {
    fired += 1;
  });
  machine.restart();
  expect(machine.process).toBe(first);
  machine.kill(true);
  expect(first.diedSilently).toBe(true);
  await pass(world, 1_000);
  expect([fired, restarts]).toEqual([0, 0]);
  machine.restart();
  expect(restarts).toBe(1);
  expect(machine.process).not.toBe(first);
  machine.process.after(100, () => {
    fired += 1;
  });
  await pass(world, 1_000);
  expect(fired).toBe(1);
});
