import assert from 'node:assert/strict';

import { AppError, ERROR_CODES, isAppError } from '@sallyport/errors';
import { grpcService, unary } from '@sallyport/grpc';
import {
  CredentialType,
  IntrospectResponse,
  IntrospectionServiceClient,
  IntrospectionServiceService,
  PrincipalType,
  type IntrospectRequest,
  type Principal,
} from '@sallyport/proto/identity/v1';
import { experiencedMs } from '@sallyport/testing';

import { SESSION_COOKIE, createPrincipalClient, type PrincipalClient } from '../src/index.ts';
import { World } from './world.ts';

const AT = new Date('2030-01-02T03:04:05Z');
const wire: Principal = {
  orgId: 'org',
  orgSlug: 'acme',
  subjectId: 'ada',
  type: PrincipalType.PRINCIPAL_TYPE_USER,
  epoch: 7n,
  credentialType: CredentialType.CREDENTIAL_TYPE_SESSION,
  credentialId: 'session-1',
  scopes: [],
  authenticatedAt: AT,
  expiresAt: AT,
  acr: '',
  amr: [],
  displayName: 'Ada',
  clientId: '',
  stepUpDue: [],
  sponsorSubjectIds: [],
};
const active = (changes: Partial<Principal> = {}): IntrospectResponse =>
  IntrospectResponse.fromPartial({ active: true, principal: { ...wire, ...changes } });

const withCookie = { req: { headers: { cookie: `${SESSION_COOKIE}=cookie-value` } } };
const withBearer = { req: { headers: { authorization: 'Bearer token-value' } } };

describe('principal client', () => {
  let world: World;
  let client: PrincipalClient;
  let asked: { credential: IntrospectRequest['credential']; requestId: string }[];
  let respond: () => Promise<IntrospectResponse>;

  before(async () => {
    world = new World();
    asked = [];
    respond = () => Promise.resolve(active());
    const service = grpcService(IntrospectionServiceService, {
      introspect: {
        allow: ['flags'],
        handler: unary(({ credential }, call) => {
          asked.push({ credential, requestId: call.requestId });
          return respond();
        }),
      },
    });
    const { port } = await world.serve('identity', service);
    client = createPrincipalClient({ grpc: await world.client(IntrospectionServiceClient, port, 'identity') });
    await client.fromRequest(withCookie);
  });
  beforeEach(() => {
    asked = [];
    respond = () => Promise.resolve(active());
  });
  after(() => world.dispose());

  const isUnavailable = (error: unknown): boolean =>
    isAppError(error) && error.code === 'UNAVAILABLE' && error.kind.http === 503;

  it('is nobody without a credential, and identity is not asked', async () => {
    assert.equal(await client.fromRequest({ req: { headers: {} } }), null);
    assert.equal(asked.length, 0);
  });

  it('asks identity with the session cookie', async () => {
    const principal = await client.fromRequest(withCookie);
    assert.deepEqual(asked[0]?.credential, { $case: 'session', value: 'cookie-value' });
    assert.deepEqual(principal, {
      orgId: 'org',
      orgSlug: 'acme',
      subjectId: 'ada',
      type: 'user',
      epoch: 7n,
      credentialType: 'session',
      credentialId: 'session-1',
      scopes: [],
      authenticatedAt: AT,
      expiresAt: AT,
      displayName: 'Ada',
    });
    assert.ok(Object.isFrozen(principal));
  });

  it('asks with the bearer token when there are both', async () => {
    await client.fromRequest({ req: { headers: { ...withCookie.req.headers, ...withBearer.req.headers } } });
    assert.deepEqual(asked[0]?.credential, { $case: 'bearer', value: 'token-value' });
    assert.equal(asked.length, 1, 'the cookie is no second try');
  });

  it('reads kind, scopes, client, acr and amr of an access token of a service account', async () => {
    respond = () =>
      Promise.resolve(
        active({
          type: PrincipalType.PRINCIPAL_TYPE_SERVICE_ACCOUNT,
          credentialType: CredentialType.CREDENTIAL_TYPE_ACCESS_TOKEN,
          scopes: ['flag:read'],
          clientId: 'ci',
          acr: 'mfa',
          amr: ['pwd', 'otp'],
        }),
      );
    const principal = await client.fromRequest(withBearer);
    assert.equal(principal?.type, 'service_account');
    assert.equal(principal.credentialType, 'access_token');
    assert.deepEqual([principal.scopes, principal.clientId, principal.acr], [['flag:read'], 'ci', 'mfa']);
    assert.deepEqual(principal.amr, ['pwd', 'otp']);
  });

  it('passes the request id of the response header on', async () => {
    await client.fromRequest({ ...withCookie, res: { getHeader: () => 'request-0001' } });
    assert.equal(asked[0]?.requestId, 'request-0001');
  });

  it('is nobody when identity says the credential is not active, and the cookie does not help a dead token', async () => {
    respond = () => Promise.resolve(IntrospectResponse.fromPartial({ active: false, inactiveReason: 'revoked' }));
    assert.equal(await client.fromRequest(withCookie), null);
    assert.equal(
      await client.fromRequest({ req: { headers: { ...withCookie.req.headers, ...withBearer.req.headers } } }),
      null,
    );
    assert.equal(asked.length, 2);
  });

  it('asks every time: a revoked credential is dead with the next request', async () => {
    assert.notEqual(await client.fromRequest(withCookie), null);
    respond = () => Promise.resolve(IntrospectResponse.fromPartial({ active: false }));
    assert.equal(await client.fromRequest(withCookie), null);
    assert.equal(asked.length, 2);
  });

  it('refuses a malformed credential without asking', async () => {
    const malformed = client.fromRequest({
      req: { headers: { ...withCookie.req.headers, authorization: 'Basic abc' } },
    });
    await assert.rejects(malformed, (error) => isAppError(error) && error.code === 'UNAUTHENTICATED');
    assert.equal(asked.length, 0);
  });

  describe('never takes a credential it could not check for nobody', () => {
    it('whatever error identity answers', async () => {
      for (const code of ERROR_CODES) {
        respond = () => Promise.reject(new AppError(code, 'x'));
        await assert.rejects(client.fromRequest(withCookie), isUnavailable, code);
      }
    });

    it('when identity is late: within about a second', async () => {
      respond = () => new Promise(() => undefined);
      const tookMs = await experiencedMs(() => assert.rejects(client.fromRequest(withBearer), isUnavailable));
      assert.ok(tookMs < 1_500, String(tookMs));
    });

    it('when identity is not there', async () => {
      const gone = await world.serve('identity', grpcService(IntrospectionServiceService, {}));
      await gone.close();
      const grpc = await world.client(IntrospectionServiceClient, gone.port, 'identity');
      await assert.rejects(createPrincipalClient({ grpc }).fromRequest(withCookie), isUnavailable);
    });

    for (const [what, response] of [
      ['no principal', IntrospectResponse.fromPartial({ active: true })],
      ['no organisation', active({ orgId: '' })],
      ['no subject', active({ subjectId: '' })],
      ['no credential id', active({ credentialId: '' })],
      ['an unknown kind of principal', active({ type: PrincipalType.PRINCIPAL_TYPE_UNSPECIFIED })],
      ['an unknown kind of credential', active({ credentialType: CredentialType.CREDENTIAL_TYPE_UNSPECIFIED })],
      ['no expiry', IntrospectResponse.fromPartial({ active: true, principal: { ...wire, expiresAt: undefined } })],
    ] as const) {
      it(`and takes an answer with ${what} for no answer`, async () => {
        respond = () => Promise.resolve(response);
        await assert.rejects(client.fromRequest(withCookie), isUnavailable);
      });
    }
  });
});
