import { strict as assert } from 'node:assert';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { createDevCa, createSelfSigned, issueDevCertificate, type DevCertificate } from './certificates.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('development certificates', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sallyport-ca-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const issue = async (service: string, from = directory): Promise<DevCertificate> =>
    await issueDevCertificate(await createDevCa(from), { service, deployment: 'localhost' });

  it('identify a service by a SPIFFE URI, and the machine by localhost and 127.0.0.1', async () => {
    const { cert, ca } = await issue('policy');
    const parsed = new X509Certificate(cert);
    assert.equal(parsed.subjectAltName, 'URI:spiffe://localhost/service/policy, DNS:localhost, IP Address:127.0.0.1');
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.ok(parsed.checkIssued(new X509Certificate(ca)) && parsed.verify(new X509Certificate(ca).publicKey));
    assert.equal(parsed.ca, false);
  });

  it('serve both ends of mutual TLS', async () => {
    const [server, client] = [await issue('policy'), await issue('flags')];
    assert.match(await peerSeenBy(server, client), /service\/flags/);
  });

  it('are refused when another authority signed them', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'sallyport-ca-'));
    const [server, stranger] = [await issue('policy'), await issue('flags', elsewhere)];
    rmSync(elsewhere, { recursive: true });
    await assert.rejects(peerSeenBy(server, { ...stranger, ca: server.ca }));
  });

  it('are kept from start to start, with keys only their owner can read', async () => {
    const first = await issue('policy');
    assert.deepEqual(await issue('policy'), first);
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
  });

  it('are issued anew near their end, for another deployment, by a new authority, and when damaged', async () => {
    const ca = await createDevCa(directory);
    const request = { service: 'policy', deployment: 'localhost' };
    const short = await issueDevCertificate(ca, { ...request, lifetimeMs: 20 * DAY_MS });
    const long = await issueDevCertificate(ca, request);
    assert.notDeepEqual(long.cert, short.cert);
    const renamed = await issueDevCertificate(ca, { ...request, deployment: 'elsewhere' });
    assert.match(new X509Certificate(renamed.cert).subjectAltName ?? '', /spiffe:\/\/elsewhere\/service\/policy/);
    writeFileSync(renamed.keyFile, 'torn');
    const repaired = await issueDevCertificate(ca, { ...request, deployment: 'elsewhere' });
    assert.notDeepEqual(repaired.cert, renamed.cert);
    rmSync(join(directory, 'ca.key'));
    const underNewCa = await issueDevCertificate(await createDevCa(directory), { ...request, deployment: 'elsewhere' });
    assert.ok(new X509Certificate(underNewCa.cert).verify(new X509Certificate(underNewCa.ca).publicKey));
  });

  it('include a self-signed RSA pair for SAML', async () => {
    const { cert, key } = await createSelfSigned('sp');
    const parsed = new X509Certificate(cert);
    assert.ok(parsed.verify(parsed.publicKey));
    assert.match(key, /BEGIN PRIVATE KEY/);
    assert.equal(parsed.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  });
});

/** The subject alternative names of the client as the server verified them. */
async function peerSeenBy(server: DevCertificate, client: DevCertificate): Promise<string> {
  const listener = createServer({
    ca: server.ca,
    cert: server.cert,
    key: server.key,
    requestCert: true,
    rejectUnauthorized: true,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  assert.ok(typeof address === 'object' && address !== null);
  const socket = connect({ port: address.port, host: '127.0.0.1', ca: client.ca, cert: client.cert, key: client.key });
  socket.on('error', () => undefined);
  try {
    const [peer] = (await Promise.race([
      once(listener, 'secureConnection'),
      once(listener, 'tlsClientError').then(([error]) => Promise.reject(error as Error)),
    ])) as [TLSSocket];
    return peer.getPeerX509Certificate()?.subjectAltName ?? '';
  } finally {
    socket.destroy();
    listener.close();
  }
}
