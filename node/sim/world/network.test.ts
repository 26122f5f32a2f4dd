import { describe, expect, it } from 'vitest';
import type { StreamSocket } from '../../src/transport/network.ts';
import { SimNetwork } from './network.ts';
import { pass, startProcess } from './testing.ts';
import { World } from './world.ts';

const PLAN = { minMs: 1, maxMs: 5, retransmitChance: 0.1, splitChance: 0.3 };

async function setUp(seed = 1) {
  const world = new World(seed);
  const network = new SimNetwork(world, world.random.split('network'), PLAN);
  const server = startProcess(world, 'server').process;
  const client = startProcess(world, 'client').process;
  const heard: string[] = [];
  const ends: string[] = [];
  let accepted: StreamSocket | null = null;
  await network.of('b', server).listen({ host: 'b', port: 1, keepAliveMs: null }, (socket) => {
    accepted = socket;
    socket.on('data', (chunk) => heard.push(chunk.toString()));
    socket.on('close', () => ends.push('server'));
  });
  const dial = (): StreamSocket => {
    const socket = network.of('a', client).connect('b', 1);
    socket.on('error', (error) => ends.push(error.message));
    socket.on('close', () => ends.push('client'));
    return socket;
  };
  return { world, network, server, client, heard, ends, dial, accepted: () => accepted };
}

describe('simulated streams', () => {
  it('bring everything in order, in whatever parts', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { world, dial, heard } = await setUp(seed);
      const socket = dial();
      for (let i = 0; i < 100; i++) {
        socket.write(Buffer.from(`${i},`));
        if (i % 10 === 0) await pass(world, 1);
      }
      await pass(world, 5_000);
      expect(heard.join('')).toBe(Array.from({ length: 100 }, (_, i) => `${i},`).join(''));
    }
  });

  it('bring everything in order through links that are slow, cut and mended time and again', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, network, dial, heard } = await setUp(seed);
      const link = network.link('a', 'b');
      const socket = dial();
      await pass(world, 1_000);
      for (let i = 0; i < 200; i++) {
        socket.write(Buffer.from(`${i},`));
        const chance = world.random.unit();
        if (chance < 0.1) link.block();
        else if (chance < 0.3) link.unblock();
        else if (chance < 0.4) link.clogMs = world.random.between(0, 300);
        await pass(world, world.random.between(0, 100));
      }
      network.heal();
      await pass(world, 60_000);
      expect(heard.join('')).toBe(Array.from({ length: 200 }, (_, i) => `${i},`).join(''));
    }
  });

  it('wait through a partition, and arrive when it is healed', async () => {
    const { world, network, dial, heard } = await setUp();
    const socket = dial();
    await pass(world, 1_000);
    network.link('a', 'b').block();
    socket.write(Buffer.from('x'));
    await pass(world, 10_000);
    expect(heard).toEqual([]);
    network.heal();
    socket.write(Buffer.from('y'));
    await pass(world, 5_000);
    expect(heard.join('')).toBe('xy');
  });

  it('stay cut until the last of several cuts has ended', async () => {
    const { world, network, dial, heard } = await setUp();
    const socket = dial();
    await pass(world, 1_000);
    const link = network.link('a', 'b');
    link.block();
    link.block();
    link.unblock();
    socket.write(Buffer.from('x'));
    await pass(world, 5_000);
    expect(heard).toEqual([]);
    link.unblock();
    await pass(world, 5_000);
    expect(heard.join('')).toBe('x');
  });

  it('are refused where nobody listens, reset when a process dies, and silent when its machine does', async () => {
    const { world, network, server, ends, dial } = await setUp();
    network
      .of('a', server)
      .connect('nowhere', 1)
      .on('close', () => ends.push('refused'));
    await pass(world, 1_000);
    expect(ends).toEqual(['refused']);
    dial();
    await pass(world, 1_000);
    server.die('killed');
    await pass(world, 1_000);
    expect(ends).toEqual(['refused', 'client']);

    const other = await setUp();
    const socket = other.dial();
    await pass(other.world, 1_000);
    other.network.host('b').dark = true;
    other.server.die('power failure', true);
    socket.write(Buffer.from('x'));
    await pass(other.world, 60_000);
    expect(other.ends).toEqual([]);
    other.network.host('b').dark = false;
    socket.write(Buffer.from('y'));
    await pass(other.world, 1_000);
    expect(other.ends).toEqual(['ECONNRESET b:1', 'client']);
  });

  it('are reset at both ends in the middle of what is under way, and only between the two named', async () => {
    const { world, network, client, heard, ends, dial } = await setUp();
    const socket = dial();
    const elsewhere = startProcess(world, 'elsewhere').process;
    const other = network.of('c', elsewhere).connect('b', 1);
    await pass(world, 1_000);
    socket.write(Buffer.from('lost'));
    expect(network.reset('a', 'c')).toBe(0);
    expect(network.reset('b', 'a')).toBe(1);
    await pass(world, 1_000);
    expect(heard).toEqual([]);
    expect([...ends].sort()).toEqual(['ECONNRESET b:1', 'client', 'server']);
    other.write(Buffer.from('still here'));
    await pass(world, 1_000);
    expect(heard.join('')).toBe('still here');
    expect(network.reset('a', 'b')).toBe(0);
    expect(client.alive).toBe(true);
  });

  it('make the writer wait while the other side does not get what was sent', async () => {
    const { world, network, dial, heard } = await setUp();
    const socket = dial();
    let drained = 0;
    socket.on('drain', () => {
      drained += 1;
    });
    await pass(world, 100);
    network.link('a', 'b').block();
    socket.write(Buffer.alloc(1_000_000));
    expect(socket.writableLength).toBeGreaterThan(500_000);
    await pass(world, 1_000);
    expect(drained).toBe(0);
    network.heal();
    await pass(world, 5_000);
    expect(socket.writableLength).toBe(0);
    expect(drained).toBe(1);
    expect(heard.join('').length).toBe(1_000_000);
  });
});
