import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { freePorts, isPortFree } from './ports.ts';

describe('ports', () => {
  it('finds distinct ports that can be listened on', async () => {
    const ports = await freePorts(12);
    assert.equal(new Set(ports).size, 12);
    for (const port of ports) assert.ok(await isPortFree(port));
  });

  it('knows a port in use from a free one', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    assert.equal(await isPortFree(address.port), false);
    server.close();
    await once(server, 'close');
    assert.equal(await isPortFree(address.port), true);
  });
});
