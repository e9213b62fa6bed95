import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';

import { readPolicyConfig } from '../src/config.ts';
import { EVALUATION, EVALUATIONS, SEARCH, type AuthzenDesk, type Json } from './support/authzen-desk.ts';
import { SearchDesk } from './support/search-desk.ts';
import { ORIGIN, World, type Answer } from './support/world.ts';

const METADATA = '/.well-known/authzen-configuration';

/** What holds of every API of the binding, asked of every one. */
describe('AuthZEN transport', () => {
  let world: World;
  let people: SearchDesk;
  let desk: AuthzenDesk;

  before(async () => {
    world = await World.create();
    people = await SearchDesk.open(world);
    ({ desk } = people);
  });
  after(async () => {
    await world.dispose();
  });

  /** A request of each API that is answered with 200. */
  const requests = (): readonly (readonly [path: string, body: Json])[] => [
    [EVALUATION, desk.question()],
    [EVALUATIONS, { ...desk.question(), evaluations: [{}] }],
    [SEARCH.subject, people.whoToggles()],
    [SEARCH.resource, people.whereToggled()],
    [SEARCH.action, people.whatMay()],
  ];

  const onEach = async (work: (path: string, body: Json) => Promise<void>): Promise<void> => {
    for (const [path, body] of requests()) await work(path, body);
  };

  const isRefused = ({ status, body, text }: Answer, what: string): void => {
    assert.equal(status, 400, `${what}: ${text}`);
    assert.ok(typeof body === 'string' && body.length > 0, 'an error is a message string (§10.1.2)');
  };

  describe('requests and responses (§10.1)', () => {
    it('every API is served by POST, at the path its version is in (§4), with 200 and application/json', async () => {
      await onEach(async (path, body) => {
        assert.match(path, /^\/access\/v1\//);
        const answer = await desk.post(path, body);
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.headers.get('content-type'), 'application/json');
        assert.equal(Object.prototype.toString.call(answer.body), '[object Object]', 'the top level is an object');
        assert.equal((await world.call('GET', path, { token: desk.token })).status, 405);
      });
    });

    it('a Content-Type that is missing or is not application/json is 400, never 415', async () => {
      await onEach(async (path, body) => {
        const text = JSON.stringify(body);
        for (const type of [
          '',
          'text/plain',
          'text/json',
          'application/x-www-form-urlencoded',
          'application/jsonx',
          'application/vnd.api+json',
          'multipart/form-data',
          '*/*',
          'application/json; charset=iso-8859-1',
        ])
          isRefused(await desk.post(path, text, { headers: { 'content-type': type } }), `${path} ${type}`);
        for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"'])
          assert.equal((await desk.post(path, text, { headers: { 'content-type': type } })).status, 200, type);
      });
    });

    it('a body that is empty, not JSON, not an object, or lacks what is required is 400 (§10.1.1)', async () => {
      await onEach(async (path, body) => {
        for (const wrong of [
          '',
          ' ',
          '{',
          '{}',
          '[]',
          'null',
          'true',
          '7',
          '"x"',
          '{"a":1}}',
          '{a:1}',
          "{'a':1}",
          '\u0000',
          [body],
        ])
          isRefused(await desk.post(path, wrong), `${path} ${JSON.stringify(wrong)}`);
        const without = (await world.call('POST', path, { token: desk.token })).status;
        assert.equal(without, 400, 'no body at all');
      });
    });

    it('entities of a wrong type are 400 (§5)', async () => {
      await onEach(async (path, body) => {
        for (const key of ['subject', 'resource'])
          for (const wrong of [
            null,
            7,
            'x',
            true,
            [],
            [{}],
            {},
            { id: 'x' },
            { type: '', id: 'x' },
            { type: 7, id: 'x' },
            { type: ['user'], id: 'x' },
          ])
            isRefused(await desk.post(path, { ...body, [key]: wrong }), `${path} ${key} ${JSON.stringify(wrong)}`);
        for (const wrong of [null, 7, 'x', []]) {
          isRefused(await desk.post(path, { ...body, context: wrong }), `${path} context ${JSON.stringify(wrong)}`);
          isRefused(await desk.post(path, { ...body, options: wrong }), `${path} options ${JSON.stringify(wrong)}`);
          const subject = { ...desk.subject(), properties: wrong };
          isRefused(await desk.post(path, { ...body, subject }), `${path} properties ${JSON.stringify(wrong)}`);
        }
      });
    });

    it('fields nobody knows are ignored, and the order of members makes no difference (§10.1.1)', async () => {
      await onEach(async (path, body) => {
        const { text } = await desk.post(path, body);
        const entities = Object.entries(body).map(([key, value]) => [
          key,
          Array.isArray(value) ? value : { future: [null], ...(value as Json), Type: 'x' },
        ]);
        const extended = { future: { a: { b: [] } }, ...Object.fromEntries(entities.reverse()) } as Json;
        assert.equal((await desk.post(path, extended)).text, text);
      });
    });

    it('metadata is had by GET alone (§9.2.1)', async () => {
      assert.equal((await world.call('POST', METADATA, { body: {} })).status, 405);
    });
  });

  it('X-Request-ID comes back as it was sent, whatever string it is, with every answer (§10.1.3)', async () => {
    const ids = [
      'bfe9eb29-ab87-4ca3-be83-a1d5d8305716',
      'x',
      '{7}',
      'a b/c+d==',
      '1',
      '"quoted", twice',
      'y'.repeat(500),
    ];
    await onEach(async (path, body) => {
      for (const id of ids) {
        const headers = { 'x-request-id': id };
        for (const answer of [
          await desk.post(path, body, { headers }),
          await desk.post(path, '{', { headers }),
          await desk.post(path, body, { headers: { ...headers, 'content-type': 'text/plain' } }),
          await world.call('POST', path, { body, headers }),
        ])
          assert.equal(answer.headers.get('x-request-id'), id);
      }
      assert.match((await desk.post(path, body)).headers.get('x-request-id') ?? '', /^[\w-]{36}$/, 'without: ours');
    });
  });

  describe('security considerations (§11)', () => {
    it('who is not authenticated gets 401 with WWW-Authenticate, before the body is looked at (§11.3)', async () => {
      await onEach(async (path, body) => {
        for (const authorization of [
          undefined,
          '',
          'Bearer',
          'Bearer nobody',
          `Basic ${desk.token}`,
          desk.token,
          `Bearer ${desk.org.ownerToken}`,
        ])
          for (const sent of [body, '{']) {
            const headers = authorization === undefined ? {} : { authorization };
            const answer = await world.call('POST', path, { body: sent, headers });
            assert.equal(answer.status, 401, `${path} ${String(authorization)}`);
            assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="sallyport"/);
            assert.equal(typeof answer.body, 'string');
          }
      });
    });

    it('I-JSON: repeated and prototype names, broken Unicode and encodings are 400 (§11.5)', async () => {
      await onEach(async (path, body) => {
        const json = JSON.stringify(body);
        for (const wrong of [
          json.replace('{', '{"subject":{"type":"user","id":"x"},'),
          json.replace('"type":"user"', '"type":"user","type":"service_account"'),
          json.replace('"type":"user"', '"type":"user","ty\\u0070e":"user"'),
          json.replace('{', '{"__proto__":{"context":{}},'),
          json.replace('"type":"user"', '"type":"user","__proto__":{"id":"x"}'),
          json.replace('"type":"user"', '"type":"user","properties":{"\\u005f_proto__":1}'),
          json.replace('"type":"user"', '"type":"user\\ud800"'),
          json.replace('"type":"user"', '"type":"user\\u0000"'),
        ])
          isRefused(await desk.post(path, wrong), `${path} ${wrong.slice(0, 100)}`);
        const compressed = { 'content-encoding': 'gzip' };
        isRefused(await desk.post(path, json, { headers: compressed }), 'compressed');
      });
    });

    it('names like those of object internals are ordinary names', async () => {
      const properties = {
        constructor: 'x',
        prototype: 'x',
        toString: 'x',
        hasOwnProperty: 'x',
        project: 'shop',
        environment: 'staging',
      };
      const resource = { type: 'flag', id: 'checkout', properties };
      assert.deepEqual(await desk.answered(EVALUATION, desk.question({ resource })), { decision: true });
    });

    it('what is too large, too deep or too many is 400 (§11.7)', async () => {
      await onEach(async (path, body) => {
        const nested = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
        const many = (count: number): Json =>
          Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${String(at)}`, at]));
        isRefused(await desk.post(path, { ...body, context: nested(64) }), 'too deep');
        assert.equal((await desk.post(path, { ...body, context: nested(60) })).status, 200);
        isRefused(await desk.post(path, { ...body, context: many(65) }), 'too many properties');
        assert.equal((await desk.post(path, { ...body, context: many(64) })).status, 200);
        isRefused(await desk.post(path, { ...body, context: { text: 'x'.repeat(1024 * 1024) } }), 'too large');
        const resource = { ...desk.flag('staging', 'x'.repeat(1_025)), type: 'environment' };
        if (path !== SEARCH.resource) isRefused(await desk.post(path, { ...body, resource }), 'an id too long');
      });
    });

    it('ids of any form are decided exactly or refused, never an error of ours', async () => {
      const odd = [
        "'",
        '"',
        '[x]',
        '{}',
        '(',
        '\\',
        '%00',
        '../..',
        'dev/../prod',
        'a\nb',
        '\r\n',
        '\t',
        ' ',
        '*',
        '.*',
        '$ne',
        '\u202E',
        '\u{1F600}',
        'ﬀ',
        'x'.repeat(1_024),
        '-1',
        'null',
        'undefined',
        'NaN',
      ];
      await onEach(async (path, body) => {
        for (const id of odd)
          for (const changes of [
            { subject: { type: 'user', id } },
            { subject: { type: id, id: desk.developer } },
            { resource: { type: 'flag', id, properties: { project: id, environment: 'staging' } } },
            { resource: { type: 'environment', id } },
            { resource: { type: id, id: 'x', properties: { environment: id } } },
            { action: { name: id } },
          ] as const) {
            const { status, text } = await desk.post(path, { ...body, ...changes });
            assert.ok(status === 200 || status === 400, `${path} ${JSON.stringify(changes)} ${String(status)} ${text}`);
            // An evaluation of any of them is a denial.
            if (path === EVALUATION && status === 200)
              assert.equal(text, '{"decision":false}', JSON.stringify(changes));
          }
      });
    });

    it('answers are for now: nobody keeps them', async () => {
      await onEach(async (path, body) => {
        assert.equal((await desk.post(path, body)).headers.get('cache-control'), 'no-store');
      });
    });

    it('the connection is TLS: browsers and clients are told to stay on it (§11.1)', async () => {
      const { headers } = await desk.post(EVALUATION, desk.question());
      assert.match(headers.get('strict-transport-security') ?? '', /max-age=\d{7,}/);
    });
  });

  describe('metadata (§9)', () => {
    it('is had by GET without a credential, as one object of application/json, for a while (§9.2, §11.9)', async () => {
      const { status, headers, body } = await world.call('GET', METADATA);
      assert.equal(status, 200);
      assert.equal(headers.get('content-type'), 'application/json');
      assert.match(headers.get('cache-control') ?? '', /max-age=\d+/);
      assert.equal(Object.prototype.toString.call(body), '[object Object]');
    });

    it('names the identifier it is had from, by https and without query or fragment (§9.1.1, §9.2.3)', async () => {
      const { body } = await world.call('GET', METADATA);
      const identifier = new URL(String((body as Json)['policy_decision_point']));
      assert.equal((body as Json)['policy_decision_point'], ORIGIN);
      assert.deepEqual([identifier.protocol, identifier.search, identifier.hash], ['https:', '', '']);
      for (const origin of [`${ORIGIN}?a=b`, `${ORIGIN}#x`, `${ORIGIN}/path`, 'ftp://sallyport.example'])
        assert.throws(() => readPolicyConfig({ ...world.environment(), SALLYPORT_PUBLIC_ORIGIN: origin }), /ORIGIN/);
    });

    it('names every API that is served, and nothing without a value (§9.1, §9.2.2)', async () => {
      const { body } = await world.call('GET', METADATA);
      const { policy_decision_point: identifier, ...endpoints } = body as Readonly<Record<string, string>>;
      assert.equal(identifier, ORIGIN);
      const names = ['access_evaluation', 'access_evaluations', 'search_subject', 'search_resource', 'search_action'];
      assert.deepEqual(
        endpoints,
        Object.fromEntries(requests().map(([path], at) => [`${names[at] ?? ''}_endpoint`, ORIGIN + path])),
      );
    });

    it('comes from configuration: no header of a request changes it', async () => {
      const { text } = await world.call('GET', METADATA);
      for (const headers of [
        { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
        { forwarded: 'host=evil.example;proto=http' },
        { 'x-original-url': '/evil', 'x-forwarded-prefix': '/evil' },
      ])
        assert.equal((await world.call('GET', METADATA, { headers })).text, text);
      const hosted = get({
        port: world.policy.server.httpPort,
        path: METADATA,
        headers: { host: 'evil.example' },
      });
      const [response] = (await once(hosted, 'response')) as [IncomingMessage];
      assert.equal(Buffer.concat(await response.toArray()).toString(), text);
    });
  });
});
