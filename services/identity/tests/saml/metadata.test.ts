import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';

import { createSelfSigned } from '@sallyport/dev-env';
import { createLogger } from '@sallyport/telemetry';

import type { SamlFacet } from '../../src/saml/facet/facet-store.ts';
import { startSamlMaintenance } from '../../src/saml/index.ts';
import { warningsOf } from '../../src/saml/metadata/warnings.ts';
import { signatureFor, type SigningKey } from './idp.ts';
import { IDP, SamlScene } from './scene.ts';

const DAY_MS = 24 * 60 * 60_000;
const SSO = 'https://idp.example/sso';

interface Described {
  readonly certificates: readonly SigningKey[];
  readonly entityId?: string;
  readonly validUntil?: Date;
  readonly sso?: string;
  readonly signedBy?: SigningKey;
  readonly afterSigning?: (xml: string) => string;
}

const metadataOf = (described: Described): string => {
  const { certificates, entityId = IDP, validUntil, sso = SSO, signedBy, afterSigning } = described;
  const body = (pem: string): string => pem.replaceAll(/-----[^-]+-----|\s/g, '');
  const keys = certificates.map(
    ({ cert }) =>
      `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${body(cert)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
  );
  const until = validUntil === undefined ? '' : ` validUntil="${validUntil.toISOString()}"`;
  const service = (name: string, url: string): string =>
    `<md:${name} Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${url}"></md:${name}>`;
  const role = `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">${keys.join('')}${service('SingleLogoutService', 'https://idp.example/slo')}${service('SingleSignOnService', sso)}</md:IDPSSODescriptor>`;
  const write = (signature: string): string =>
    `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_m1" entityID="${entityId}"${until}>${signature}${role}</md:EntityDescriptor>`;
  const xml = signedBy === undefined ? write('') : write(signatureFor(write(''), '_m1', { with: signedBy }));
  return afterSigning?.(xml) ?? xml;
};

describe('SAML metadata of identity providers', () => {
  let scene: SamlScene;
  let server: Server;
  let url: string;
  let served: { status: number; body: string };
  /** Happens before the next request is answered, with what was served when it came. */
  let meanwhile: () => Promise<unknown> = async () => {};
  let [next, pin, foreign]: SigningKey[] = [];
  const lines: Record<string, unknown>[] = [];

  before(async () => {
    const destination = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        for (const line of chunk.toString().trim().split('\n')) lines.push(JSON.parse(line) as Record<string, unknown>);
        done();
      },
    });
    const logger = createLogger({ service: 'identity', level: 'warn', destination });
    scene = await SamlScene.start({ logger, config: { allowInsecurePrivateFetch: true } });
    [next, pin, foreign] = await Promise.all(['next', 'pin', 'foreign'].map((name) => createSelfSigned(name)));
    await scene.person('00u1', 'ada@example.com');
    server = createServer((_request, response) => {
      const { status, body } = served;
      const happens = meanwhile;
      meanwhile = async () => {};
      happens().then(
        () => response.writeHead(status).end(body),
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`;
  });
  after(async () => {
    server.close();
    await scene.close();
  });
  beforeEach(async () => {
    lines.length = 0;
    await scene.identity.admin('DELETE FROM identity.login_throttle');
    serve({ certificates: [scene.idp] });
    const answer = await scene.api('PUT', `/connections/${scene.connectionId}/saml`, { metadataUrl: url });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  });

  const serve = (described: Described): void => {
    served = { status: 200, body: metadataOf(described) };
  };
  const path = (): string => `/connections/${scene.connectionId}/saml`;
  const refresh = async () => await scene.api('POST', `${path()}/refresh`);
  const facet = async () => (await scene.api('GET', path())).body;
  const signsIn = async (key: SigningKey | undefined): Promise<boolean> =>
    (await scene.answer(await scene.begin(), { signing: { with: key as SigningKey } })).status === 303;
  const codes = (body: Readonly<Record<string, unknown>>): unknown[] =>
    (body['warnings'] as { code: string }[]).map(({ code }) => code);
  /** The next round reads it. */
  const makeDue = async (): Promise<void> => {
    await scene.identity.admin(`UPDATE identity.saml_facet SET metadata_due_at = now() - interval '1 second'
                                 WHERE metadata_url IS NOT NULL`);
  };
  const round = async (): Promise<void> => {
    const maintenance = startSamlMaintenance(scene.identity.context);
    await maintenance.run();
    await maintenance.stop();
  };

  it('comes from an address as well: what it names is in force, and it is read again', async () => {
    const body = await facet();
    assert.deepEqual(body['singleLogout'], { url: 'https://idp.example/slo', binding: 'redirect', responseUrl: null });
    const { url: from, problem, readAt, dueAt } = body['metadata'] as Record<string, string>;
    assert.deepEqual([from, problem], [url, null]);
    const laterMs = Date.parse(dueAt ?? '') - Date.parse(readAt ?? '');
    assert.ok(laterMs > 0 && laterMs <= DAY_MS, 'at least once a day');
    assert.ok(await signsIn(scene.idp));
  });

  it('rolls keys over without a failed login, and forgets the old one with it', async () => {
    serve({ certificates: [scene.idp, next as SigningKey] });
    await makeDue();
    await round();
    assert.deepEqual([await signsIn(scene.idp), await signsIn(next)], [true, true]);
    serve({ certificates: [next as SigningKey] });
    await makeDue();
    await round();
    assert.deepEqual([await signsIn(scene.idp), await signsIn(next)], [false, true]);
    const filter = { limit: 1, action: 'saml-facet.refreshed' };
    const [recorded] = await scene.identity.context.audit.list(scene.organization.orgId, filter);
    assert.deepEqual(recorded?.entry['actor'], { type: 'system', id: 'identity' });
  });

  it('is read at once when an administrator says so', async () => {
    serve({ certificates: [scene.idp, next as SigningKey] });
    const answer = await refresh();
    assert.equal(answer.status, 200);
    assert.equal((answer.body['certificates'] as unknown[]).length, 2);
  });

  it('is not read before it is due, nor by two processes', async () => {
    const take = async () => {
      let readings = 0;
      const count = (): void => {
        readings += 1;
      };
      server.on('request', count);
      await Promise.all([round(), round()]);
      server.off('request', count);
      return readings;
    };
    assert.equal(await take(), 0);
    await makeDue();
    assert.equal(await take(), 1);
  });

  const failures: readonly (readonly [name: string, () => { status: number; body: string }, RegExp])[] = [
    ['away', () => ({ status: 503, body: '' }), /answered 503/],
    ['a redirect', () => ({ status: 302, body: '' }), /answered 302/],
    ['empty', () => ({ status: 200, body: '' }), /XML_MALFORMED/],
    ['no XML', () => ({ status: 200, body: 'hello' }), /XML_MALFORMED/],
    ['too large', () => ({ status: 200, body: ' '.repeat(600 * 1024) }), /too large/],
    ['too many elements', () => ({ status: 200, body: `<r>${'<x/>'.repeat(6_000)}</r>` }), /TOO_MANY_ELEMENTS/],
    [
      'of another entity',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], entityId: 'https://evil.example' }) }),
      /another entity/,
    ],
    [
      'of an entity whose name no index can hold',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], entityId: `urn:${'é'.repeat(511)}` }) }),
      /longer than 1,024 bytes/,
    ],
    [
      'without a certificate',
      () => ({ status: 200, body: metadataOf({ certificates: [] }) }),
      /no signing certificate/,
    ],
    ['with nine certificates', () => ({ status: 200, body: metadataOf({ certificates: nine }) }), /more than eight/],
    [
      'of expired certificates only',
      () => ({ status: 200, body: metadataOf({ certificates: [expired] }) }),
      /No certificate is usable/,
    ],
    [
      'past its end',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], validUntil: new Date(0) }) }),
      /no longer valid/,
    ],
    [
      'with a sign-on address that nothing can be appended to',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], sso: `${SSO}#fragment` }) }),
      /without fragment/,
    ],
    [
      'with a sign-on address that carries credentials',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], sso: 'https://u:p@idp.example/sso' }) }),
      /without fragment or credentials/,
    ],
    [
      'with a sign-on address that is no web address',
      () => ({ status: 200, body: metadataOf({ certificates: [scene.idp], sso: 'javascript:alert(1)' }) }),
      /absolute https URL/,
    ],
  ];
  let nine: SigningKey[] = [];
  let expired: SigningKey;
  before(async () => {
    nine = await Promise.all(Array.from({ length: 9 }, (_, index) => createSelfSigned(`c${index}`)));
    expired = await createSelfSigned('expired', -DAY_MS / 2);
  });

  for (const [name, answer, problem] of failures) {
    it(`that is ${name} changes nothing, and says so`, async () => {
      served = answer();
      await makeDue();
      await round();
      const body = await facet();
      const { problem: noted, dueAt } = body['metadata'] as Record<string, string>;
      assert.match(noted ?? '', problem);
      assert.ok(Date.parse(dueAt ?? '') > Date.now(), 'not hammered');
      assert.ok(codes(body).includes('METADATA_NOT_READ'));
      assert.ok(lines.some((line) => String(line['msg']).includes('was not taken')));
      assert.ok(await signsIn(scene.idp));
      const refused = await refresh();
      assert.equal(refused.status, 400);
      assert.match(refused.body.detail, problem);
      // Mended, it is taken again.
      serve({ certificates: [scene.idp] });
      assert.equal((await refresh()).status, 200);
      assert.deepEqual(codes(await facet()), []);
    });
  }

  it('must be signed by a pinned key, where one is pinned', async () => {
    const put = async () =>
      await scene.api('PUT', path(), { metadataUrl: url, metadataPins: [pin?.cert, foreign?.cert].slice(0, 1) });
    serve({ certificates: [scene.idp] });
    assert.match((await put()).body.detail, /SIGNATURE_MISSING/);
    serve({ certificates: [scene.idp], signedBy: foreign as SigningKey });
    assert.match((await put()).body.detail, /SIGNATURE_INVALID/);
    serve({
      certificates: [scene.idp],
      signedBy: pin as SigningKey,
      afterSigning: (xml) => xml.replace('/sso', '/evil'),
    });
    assert.match((await put()).body.detail, /DIGEST_MISMATCH/);
    serve({ certificates: [scene.idp], signedBy: pin as SigningKey });
    assert.equal((await put()).status, 200);
    serve({ certificates: [foreign as SigningKey], signedBy: foreign as SigningKey });
    assert.equal((await refresh()).status, 400);
    assert.deepEqual([await signsIn(scene.idp), await signsIn(foreign)], [true, false]);
  });

  it('that was asked for before the facet was set anew is not taken: no key comes back, no pin is passed by', async () => {
    const rewound = async (more: object): Promise<void> => {
      serve({ certificates: [scene.idp, foreign as SigningKey] });
      meanwhile = async () => {
        serve({ certificates: [scene.idp], signedBy: pin as SigningKey });
        assert.equal((await scene.api('PUT', path(), { metadataUrl: url, ...more })).status, 200);
      };
      await makeDue();
      await round();
      assert.deepEqual([await signsIn(scene.idp), await signsIn(foreign)], [true, false]);
    };
    await rewound({});
    await rewound({ metadataPins: [pin?.cert] });
  });

  it('that was asked for before it was read by somebody else is not taken', async () => {
    serve({ certificates: [scene.idp, foreign as SigningKey] });
    meanwhile = async () => {
      serve({ certificates: [scene.idp] });
      assert.equal((await refresh()).status, 200);
    };
    await makeDue();
    await round();
    assert.deepEqual([await signsIn(scene.idp), await signsIn(foreign)], [true, false]);
  });

  it('is taken for whoever may manage connections once it is there, however long that took', async () => {
    const { denied } = scene.identity;
    const tries = [async () => await scene.api('PUT', path(), { metadataUrl: url }), refresh];
    for (const attempt of tries) {
      serve({ certificates: [scene.idp, foreign as SigningKey] });
      meanwhile = () => Promise.resolve(denied.add('connection:manage'));
      assert.equal((await attempt()).status, 403);
      denied.clear();
      assert.equal(await signsIn(foreign), false);
    }
  });

  it('is given in one way, not two or none', async () => {
    const metadataXml = metadataOf({ certificates: [scene.idp] });
    for (const input of [{}, { metadataUrl: url, metadataXml }]) {
      assert.equal((await scene.api('PUT', path(), input)).status, 400);
    }
    // Nothing is taken in silence that would have no effect, least of all what looks like a pin.
    const byHand = { entityId: IDP, ssoUrl: SSO, certificates: [scene.idp.cert] };
    const unheard = [
      [{ metadataUrl: url, certificates: [pin?.cert] }, '/certificates'],
      [{ metadataXml, ssoUrl: SSO }, '/ssoUrl'],
      [{ metadataXml, singleLogout: null }, '/singleLogout'],
      [{ ...byHand, metadataPins: [pin?.cert] }, '/metadataPins'],
    ] as const;
    for (const [input, pointer] of unheard) {
      const { status, body } = await scene.api('PUT', path(), input);
      assert.deepEqual([status, (body['errors'] as { pointer: string }[])[0]?.pointer], [400, pointer]);
    }
    assert.equal((await scene.api('PUT', path(), { metadataUrl: 'ftp://idp.example/' })).status, 400);
  });

  it('has nothing to refresh when it was uploaded', async () => {
    const metadataXml = metadataOf({ certificates: [scene.idp] });
    assert.equal((await scene.api('PUT', path(), { metadataXml })).status, 200);
    assert.equal((await refresh()).status, 400);
  });

  it('warns as metrics and log lines, once per alarm', async () => {
    const soon = await createSelfSigned('soon', 6 * DAY_MS);
    await scene.putFacet(scene.connectionId, { certificates: [soon.cert] });
    const maintenance = startSamlMaintenance(scene.identity.context);
    await maintenance.run();
    await maintenance.run();
    await maintenance.stop();
    const warned = lines.filter((line) => line['code'] === 'CERTIFICATE_EXPIRES');
    assert.deepEqual(
      warned.map((line) => [line['alarmDays'], line['connectionId']]),
      [[7, scene.connectionId]],
    );
    const { body } = await scene.identity.context.metrics.render();
    assert.match(body, /identity_saml_warnings_count\{.*code="CERTIFICATE_EXPIRES".*\} 1/);
    assert.match(body, /identity_saml_certificate_left_seconds\{.*of="idp".*\} 5\d{5}/);
  });

  describe('warnings', () => {
    let base: SamlFacet;
    let ten: SigningKey;
    let hundred: SigningKey;
    before(async () => {
      [ten, hundred] = (await Promise.all([10, 100].map((days) => createSelfSigned('c', days * DAY_MS)))) as [
        SigningKey,
        SigningKey,
      ];
      base = {
        certificates: [hundred.cert],
        metadata: { xml: null, url: null, pins: [], validUntil: null, readAt: null, dueAt: null, problem: null },
      } as unknown as SamlFacet;
    });
    const warned = (over: Partial<SamlFacet>, inDays = 0) =>
      warningsOf({ ...base, ...over }, new Date(Date.now() + inDays * DAY_MS)).map(({ code, alarmDays }) => [
        code,
        alarmDays,
      ]);

    it('come 30, 14, 7 and 1 days before a certificate ends, and when it has', () => {
      const alarms = [60, 71, 87, 94, 99.5].map((inDays) => warned({}, inDays));
      assert.deepEqual(alarms, [[], ...[30, 14, 7, 1].map((days) => [['CERTIFICATE_EXPIRES', days]])]);
      assert.deepEqual(warned({}, 101), [['NO_USABLE_CERTIFICATE', 0]]);
    });
    it('tell the last certificate from one that has a successor', () => {
      const certificates = [ten.cert, hundred.cert];
      const [first] = warningsOf({ ...base, certificates }, new Date());
      assert.match(first?.detail ?? '', /another one is in place/);
      assert.deepEqual(warned({ certificates }, 11), [['CERTIFICATE_EXPIRED', 0]]);
    });
    it('come when metadata ends or could not be read', () => {
      const validUntil = new Date(Date.now() + 5 * DAY_MS);
      const metadata = { ...base.metadata, validUntil };
      assert.deepEqual(
        [0, 4.5, 6].map((inDays) => warned({ metadata }, inDays)),
        [[], [['METADATA_EXPIRES', 1]], [['METADATA_EXPIRED', 0]]],
      );
      assert.deepEqual(warned({ metadata: { ...base.metadata, problem: 'away' } }), [['METADATA_NOT_READ', 7]]);
    });
  });
});
