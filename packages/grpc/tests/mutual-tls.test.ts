import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type ConnectionOptions } from 'node:tls';

import { isAppError, type AppError, type ErrorCode } from '@sallyport/errors';

import { serviceUri, type TlsFiles } from '../src/index.ts';
import { createTestCa } from './certificates.ts';
import { DEPLOYMENT, World, answer, decisionService, question } from './world.ts';

const HOUR_MS = 3_600_000;
const hoursFromNow = (hours: number): Date => new Date(Date.now() + hours * HOUR_MS);

const refusal = async (promise: Promise<unknown>): Promise<AppError> => {
  const error: unknown = await promise.then(
    () => assert.fail('the call was answered'),
    (reason: unknown) => reason,
  );
  assert.ok(isAppError(error), String(error));
  return error;
};

describe('mutual TLS between services', () => {
  let world: World;
  let port: number;
  let handled = 0;

  before(async () => {
    world = await World.create();
    const service = decisionService((request, call) => {
      handled += 1;
      return Promise.resolve(answer(`${call.peer} asked for ${request.orgId}`));
    });
    ({ port } = await world.server([service]));
  });
  beforeEach(() => {
    handled = 0;
  });
  after(() => world.dispose());

  const call = async (options: { tls?: TlsFiles; serverName?: string; port?: number }): Promise<string> => {
    const client = await world.decisionClient(options.port ?? port, options);
    const { reason } = await client.unary('check', question(), { deadlineMs: 10_000 });
    return reason;
  };
  const isRefused = async (options: Parameters<typeof call>[0], code: ErrorCode): Promise<void> => {
    assert.equal((await refusal(call(options))).code, code);
    assert.equal(handled, 0, 'the handler must not have run');
  };

  it('knows the caller by the SPIFFE id of its certificate', async () => {
    assert.equal(await call({}), 'flags asked for org');
  });

  it('refuses a service the method does not list, with a reason', async () => {
    const error = await refusal(call({ tls: await world.certificate('identity') }));
    assert.equal(error.code, 'PERMISSION_DENIED');
    assert.equal(error.metadata['peer'], 'identity');
    assert.equal(handled, 0);
  });

  it('refuses a certificate of another authority at the handshake', async () => {
    const foreign = await (await createTestCa('foreign')).issue({ uris: [serviceUri(DEPLOYMENT, 'flags')] });
    await isRefused({ tls: { ...foreign, ca: world.ca.pem } }, 'UNAVAILABLE');
  });

  it('refuses an expired certificate and one that is not yet valid', async () => {
    const uris = [serviceUri(DEPLOYMENT, 'flags')];
    const expired = await world.ca.issue({ uris, notBefore: hoursFromNow(-2), notAfter: hoursFromNow(-1) });
    const early = await world.ca.issue({ uris, notBefore: hoursFromNow(1), notAfter: hoursFromNow(2) });
    await isRefused({ tls: expired }, 'UNAVAILABLE');
    await isRefused({ tls: early }, 'UNAVAILABLE');
  });

  it('refuses a certificate of our authority that names no service, another deployment, or two', async () => {
    await isRefused({ tls: await world.ca.issue({ uris: [] }) }, 'UNAUTHENTICATED');
    await isRefused({ tls: await world.ca.issue({ uris: [serviceUri('other.example', 'flags')] }) }, 'UNAUTHENTICATED');
    const two = [serviceUri(DEPLOYMENT, 'flags'), serviceUri(DEPLOYMENT, 'identity')];
    await isRefused({ tls: await world.ca.issue({ uris: two }) }, 'UNAUTHENTICATED');
  });

  it('does not send a request to another service of the deployment', async () => {
    const { port: impostor } = await world.server(
      [
        decisionService(() => {
          handled += 1;
          return Promise.resolve(answer('from an impostor'));
        }),
      ],
      { tls: await world.certificate('identity') },
    );
    await isRefused({ port: impostor }, 'UNAVAILABLE');
    assert.equal(await call({ port: impostor, serverName: 'identity' }), 'from an impostor');
  });

  it('does not send a request to a server of another authority', async () => {
    const { port: foreign } = await world.server([decisionService(() => Promise.resolve(answer('')))], {
      tls: await world.certificate('policy', await createTestCa('foreign')),
    });
    await isRefused({ port: foreign }, 'UNAVAILABLE');
  });

  const handshake = async (options: ConnectionOptions): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false, ...options });
    socket.resume();
    // With TLS 1.3 the client is through before the server has looked at its certificate: the refusal comes after.
    const failed = once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code ?? '');
    const settled = once(socket, 'data').then(() => 'open');
    try {
      return await Promise.race([failed, settled]);
    } finally {
      socket.destroy();
    }
  };

  it('ends the handshake of a client without a certificate', async () => {
    assert.match(await handshake({ ca: world.ca.pem }), /CERTIFICATE_REQUIRED/);
  });

  it('speaks TLS 1.3 only', async () => {
    const tls = await world.certificate('flags');
    assert.match(await handshake({ ...tls, maxVersion: 'TLSv1.2' }), /PROTOCOL_VERSION/);
  });

  it('gives out no session tickets: a resumed session would outlive its certificate', async () => {
    const tls = await world.certificate('flags');
    const socket = connect({
      host: '127.0.0.1',
      port,
      ...tls,
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    });
    let tickets = 0;
    socket.on('session', () => {
      tickets += 1;
    });
    const session = connectHttp2('https://policy', { createConnection: () => socket });
    await once(session, 'remoteSettings');
    const resumed = connect({
      host: '127.0.0.1',
      port,
      ...tls,
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
      session: socket.getSession(),
    });
    await once(resumed, 'secureConnect');
    assert.equal(resumed.isSessionReused(), false, `${String(tickets)} tickets`);
    resumed.destroy();
    session.destroy();
  });
});
