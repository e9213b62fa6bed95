import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { isPublicAddress } from './address.ts';
import { createGuardedFetch, type OutboundOptions } from './guarded-fetch.ts';

const PRIVATE = [
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.255',
  '169.254.169.254',
  '172.31.0.1',
  '192.168.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:a00:1',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fd12::1',
  'fe80::1',
  'ff02::1',
  '2002:7f00:1::',
  '2001:db8::1',
  '2001::1',
  'localhost',
  '',
];

describe('outbound requests', () => {
  let server: Server;
  let origin: string;
  let listener: RequestListener;

  beforeEach(async () => {
    server = createServer((request, response) => listener(request, response));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    listener = (_request, response) => response.end('ok');
  });
  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });

  const fetching = (url: string, options: Partial<OutboundOptions> = {}) =>
    createGuardedFetch({ allowPrivate: true, ...options })(url);
  const isRefused = async (url: string, options: Partial<OutboundOptions> = {}): Promise<void> => {
    await assert.rejects(fetching(url, options), { code: 'UNAVAILABLE' });
  };

  it('knows public from special addresses (RFC 6890)', () => {
    for (const address of PRIVATE) assert.equal(isPublicAddress(address), false, address);
    for (const address of ['1.1.1.1', '8.8.8.8', '2606:4700::1111'])
      assert.equal(isPublicAddress(address), true, address);
  });

  it('refuses private targets in every notation', async () => {
    const port = new URL(origin).port;
    const hosts = [
      '127.0.0.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '169.254.169.254',
    ];
    for (const host of hosts) await isRefused(`https://${host}:${port}/`, { allowPrivate: false });
  });

  it('refuses a name that leads to a private address, even beside a public one (DNS rebinding)', async () => {
    const resolve = () => Promise.resolve(['1.1.1.1', '127.0.0.1']);
    await isRefused('https://rebind.example/', { allowPrivate: false, resolve });
  });

  it('connects to the address that was checked, and resolves only once', async () => {
    let asked = 0;
    const resolve = () => {
      asked += 1;
      return Promise.resolve([asked === 1 ? '127.0.0.1' : '203.0.113.1']);
    };
    const answer = await fetching(`http://name.example:${new URL(origin).port}/`, { resolve });
    assert.equal(await answer.text(), 'ok');
    assert.equal(asked, 1);
  });

  it('refuses other schemes, plain http and credentials in the URL', async () => {
    for (const url of [
      'ftp://example.com/',
      'file:///etc/passwd',
      'http://example.com/',
      'https://u:p@example.com/',
      'x',
    ]) {
      await isRefused(url, { allowPrivate: false });
    }
  });

  it('does not follow redirects', async () => {
    listener = (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
    assert.equal((await fetching(origin)).status, 302);
  });

  it('caps the body', async () => {
    listener = (_request, response) => response.end('x'.repeat(2_000));
    await isRefused(origin, { maxBodyBytes: 1_000 });
  });

  it('caps the time, also when bytes keep dripping', async () => {
    listener = (_request, response) => {
      const drip = setInterval(() => response.write('x'), 20);
      response.on('close', () => {
        clearInterval(drip);
      });
    };
    await isRefused(origin, { timeoutMs: 150 });
  });

  it('ends when the other side wants to speak another protocol (101), answers with no status there is, or hangs up', async () => {
    const answers = [
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n',
      'HTTP/1.1 999 x\r\ncontent-length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc',
      'nonsense\r\n\r\n',
      '',
    ];
    for (const answer of answers) {
      server.once('connection', (socket) => {
        socket.removeAllListeners('data').once('data', () => socket.end(answer));
      });
      await isRefused(origin);
    }
  });

  it('sends method, headers and body', async () => {
    listener = (request, response) => {
      request.pipe(response.writeHead(201, { 'x-method': request.method, 'x-type': request.headers['content-type'] }));
    };
    const answer = await createGuardedFetch({ allowPrivate: true })(origin, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ a: 'b' }),
    });
    assert.deepEqual([answer.status, answer.headers.get('x-method'), await answer.text()], [201, 'POST', 'a=b']);
  });
});
