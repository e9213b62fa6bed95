import assert from 'node:assert/strict';

import { AppError, ERROR_CODES, isAppError } from '@sallyport/errors';
import { grpcService, unary, type GrpcServer } from '@sallyport/grpc';
import {
  CheckManyResponse,
  CheckResponse,
  Decision as Verdict,
  DecisionServiceClient,
  DecisionServiceService,
  type CheckRequest,
} from '@sallyport/proto/policy/v1';
import { experiencedMs } from '@sallyport/testing';

import { createDecisionClient, decideWith, type DecisionClient, type DecisionRequest } from '../src/index.ts';
import { World } from './world.ts';

const request: DecisionRequest = {
  principal: { orgId: 'org', subjectId: 'ada', type: 'user', epoch: 7n },
  action: 'flag:toggle',
  resource: { type: 'flag', id: 'checkout', projectId: 'shop', environmentId: 'production' },
  context: { changeRequest: 'cr-1' },
  requestId: 'request-0001',
};

const allow = CheckResponse.fromPartial({
  decision: Verdict.DECISION_ALLOW,
  reason: 'GRANTED',
  explanation: 'Release Manager of shop.',
  matchedGrant: 'grant-1',
  matchedRole: 'release-manager',
  policyRevision: 'org@s5.g3',
  standingPosition: 5n,
  grantsRevision: 3n,
  validForMs: 900,
});
const deny = CheckResponse.fromPartial({
  decision: Verdict.DECISION_DENY,
  reason: 'NO_GRANT',
  explanation: 'No role.',
});

describe('decision client', () => {
  let world: World;
  let server: GrpcServer;
  let client: DecisionClient;
  let asked: CheckRequest[];
  let respond: (question: CheckRequest) => Promise<CheckResponse>;
  let respondMany: (checks: readonly CheckRequest[]) => CheckResponse[];

  before(async () => {
    world = new World();
    const service = grpcService(DecisionServiceService, {
      check: {
        allow: ['flags'],
        handler: unary((question) => {
          asked.push(question);
          return respond(question);
        }),
      },
      checkMany: {
        allow: ['flags'],
        handler: unary(({ checks }) => {
          asked.push(...checks);
          return Promise.resolve(CheckManyResponse.fromPartial({ results: respondMany(checks) }));
        }),
      },
    });
    server = await world.serve('policy', service);
    client = createDecisionClient({ grpc: await world.client(DecisionServiceClient, server.port, 'policy') });
    respond = () => Promise.resolve(allow);
    asked = [];
    // The first call pays for the connection; the deadlines below are about the answers.
    await client.check(request).catch(() => undefined);
  });
  beforeEach(() => {
    asked = [];
    respond = () => Promise.resolve(allow);
    respondMany = (checks) => checks.map(() => allow);
  });
  after(() => world.dispose());

  const isUnavailable = (error: unknown): boolean =>
    isAppError(error) && error.code === 'DECISION_UNAVAILABLE' && error.kind.http === 503;

  it('asks with subject, epoch, action, resource, scope, context and request id', async () => {
    await client.check(request);
    const [question] = asked;
    assert.deepEqual(question, {
      orgId: 'org',
      subject: { type: 'user', id: 'ada', epoch: 7n, properties: undefined },
      action: 'flag:toggle',
      resource: { type: 'flag', id: 'checkout', projectId: 'shop', environmentId: 'production', properties: undefined },
      context: { changeRequest: 'cr-1' },
      requestId: 'request-0001',
      actionProperties: undefined,
      atLeastAsFresh: undefined,
    });
  });

  it('says how the subject signed in when that is known', async () => {
    await client.check({ ...request, principal: { ...request.principal, acr: 'high', amr: ['hwk'] } });
    assert.deepEqual(asked.at(-1)?.subject?.properties, { acr: 'high', amr: ['hwk'] });
  });

  it('answers with the decision and when it was asked for', async () => {
    const before = performance.now();
    const decision = await client.check(request);
    assert.ok(decision.decidedAtMonotonicMs >= before && decision.decidedAtMonotonicMs <= performance.now());
    assert.deepEqual(
      { ...decision, decidedAtMonotonicMs: 0 },
      {
        allowed: true,
        reason: 'GRANTED',
        explanation: 'Release Manager of shop.',
        matchedGrant: 'grant-1',
        matchedRole: 'release-manager',
        policyRevision: 'org@s5.g3',
        standingPosition: 5n,
        grantsRevision: 3n,
        validForMs: 900,
        decidedAtMonotonicMs: 0,
      },
    );
  });

  it('answers a denial as an answer', async () => {
    respond = () => Promise.resolve(deny);
    const decision = await client.check(request);
    assert.deepEqual([decision.allowed, decision.reason, decision.matchedGrant], [false, 'NO_GRANT', null]);
  });

  it('asks every time: an allow is not remembered', async () => {
    assert.equal((await client.check(request)).allowed, true);
    respond = () => Promise.resolve(deny);
    assert.equal((await client.check(request)).allowed, false);
    assert.equal(asked.length, 2);
  });

  it('refuses what the credential is not issued for, without asking; policy still decides the rest', async () => {
    const limited = { ...request, principal: { ...request.principal, scopes: ['flag:read'] } };
    const decision = await client.check(limited);
    assert.deepEqual([decision.allowed, decision.reason], [false, 'CREDENTIAL_SCOPE']);
    assert.equal(asked.length, 0);
    assert.equal((await client.check({ ...limited, action: 'flag:read' })).allowed, true);
    assert.equal(asked.length, 1);
  });

  describe('fails closed', () => {
    for (const [what, response] of [
      ['no decision', { ...allow, decision: Verdict.DECISION_UNSPECIFIED }],
      ['a decision it does not know', { ...allow, decision: 9 as Verdict }],
      ['no reason', { ...allow, reason: '' }],
      ['an allow that is valid for no time', { ...allow, validForMs: 0 }],
    ] as const) {
      it(`when policy answers ${what}`, async () => {
        respond = () => Promise.resolve(response);
        await assert.rejects(client.check(request), isUnavailable);
      });
    }

    it('when an allow has expired on its way, alone or among others', async () => {
      let nowMs = 1_000;
      const grpc = await world.client(DecisionServiceClient, server.port, 'policy');
      const timed = createDecisionClient({ grpc, monotonicMs: () => nowMs });
      const onItsWay = (tookMs: number): void => {
        respond = () => {
          nowMs += tookMs;
          return Promise.resolve({ ...allow, validForMs: 50 });
        };
        respondMany = () => {
          nowMs += tookMs;
          return [allow, { ...allow, validForMs: 50 }];
        };
      };
      onItsWay(49);
      assert.equal((await timed.check(request)).decidedAtMonotonicMs, 1_000);
      assert.equal((await timed.checkMany([request, request])).length, 2);
      onItsWay(50);
      await assert.rejects(timed.check(request), isUnavailable);
      await assert.rejects(timed.checkMany([request, request]), isUnavailable);
    });

    it('when policy is late: within 300 ms', async () => {
      respond = () => new Promise(() => undefined);
      const startedAt = performance.now();
      const experienced = await experiencedMs(() => assert.rejects(client.check(request), isUnavailable));
      assert.ok(performance.now() - startedAt >= 250 && experienced < 600, `${String(experienced)} ms`);
    });

    it('whatever error policy answers, also PERMISSION_DENIED, which is about us and not about the subject', async () => {
      for (const code of ERROR_CODES) {
        respond = () => Promise.reject(new AppError(code, 'x'));
        await assert.rejects(client.check(request), isUnavailable, code);
      }
    });

    it('when the caller gives up', async () => {
      respond = () => new Promise(() => undefined);
      const pending = client.check({ ...request, signal: AbortSignal.timeout(20) });
      await assert.rejects(pending, (error) => isAppError(error) && error.code === 'CANCELLED');
    });

    it('when policy is not there', async () => {
      const gone = await world.serve('policy', grpcService(DecisionServiceService, {}));
      await gone.close();
      const lonely = createDecisionClient({ grpc: await world.client(DecisionServiceClient, gone.port, 'policy') });
      await assert.rejects(lonely.check(request), isUnavailable);
      await assert.rejects(lonely.checkMany([request]), isUnavailable);
    });

    it('when the server is not policy', async () => {
      const impostor = await world.serve('identity', grpcService(DecisionServiceService, {}));
      const fooled = createDecisionClient({ grpc: await world.client(DecisionServiceClient, impostor.port, 'policy') });
      await assert.rejects(fooled.check(request), isUnavailable);
    });
  });

  describe('checkMany', () => {
    it('answers in the order of the requests, those refused by scope in their place', async () => {
      respondMany = (checks) => checks.map(({ action }) => (action === 'flag:read' ? allow : deny));
      const limited = { ...request, principal: { ...request.principal, scopes: ['flag:read'] } };
      const decisions = await client.checkMany([request, limited, { ...limited, action: 'flag:read' }]);
      assert.deepEqual(
        decisions.map(({ reason }) => reason),
        ['NO_GRANT', 'CREDENTIAL_SCOPE', 'GRANTED'],
      );
      assert.equal(asked.length, 2);
      assert.deepEqual(await client.checkMany([]), []);
      assert.deepEqual((await client.checkMany([limited])).length, 1);
    });

    it('is nothing when an answer is missing, one too many, or no decision', async () => {
      respondMany = () => [allow];
      await assert.rejects(client.checkMany([request, request]), isUnavailable);
      respondMany = () => [allow, allow, allow];
      await assert.rejects(client.checkMany([request, request]), isUnavailable);
      respondMany = () => [allow, CheckResponse.fromPartial({})];
      await assert.rejects(client.checkMany([request, request]), isUnavailable);
    });
  });

  it('decides a route by the narrowest scope it names', async () => {
    const decide = decideWith(client);
    const at = async (scope: { projectId?: string; environmentId?: string }) => {
      await decide(request.principal, 'flag:read', scope, { requestId: 'request-0002' });
      const { type, id, projectId, environmentId } = asked.at(-1)?.resource ?? {};
      return [type, id, projectId, environmentId];
    };
    assert.deepEqual(await at({}), ['organization', 'org', '', '']);
    assert.deepEqual(await at({ projectId: 'p' }), ['project', 'p', 'p', '']);
    assert.deepEqual(await at({ projectId: 'p', environmentId: 'e' }), ['environment', 'e', 'p', 'e']);
  });
});
