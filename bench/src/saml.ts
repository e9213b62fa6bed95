import { deflateRawSync } from 'node:zlib';

import { createSelfSigned } from '@sallyport/dev-env';
import type pg from 'pg';

import type { Benchmark, Measurement } from './benchmark.ts';
import { samlResponse } from './saml/response.ts';
import { caller, newUser, timed } from './scim/calls.ts';
import { startServer } from './scim/server.ts';
import { startScimService, type Directory, type ScimService } from './scim/service.ts';

interface IdpKey {
  readonly cert: string;
  readonly key: string;
}

const KIB = 1024;
const IDP = 'https://idp.example/saml';
const ORIGIN = 'http://localhost:8080';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const CLIENTS = 16;
const LOGINS = 400;
const PEOPLE = 50;
const HOSTILE_CLIENTS = 4;
const GOAL = { loginsPerSecond: 100, answerMs: 250, eventLoopMs: 50 };

/** The facet as an administrator would set it; that API would need policy to run as well. */
const insertFacet = async (admin: pg.Pool, { orgId, connectionId }: Directory, idp: IdpKey): Promise<void> => {
  await admin.query(
    `INSERT INTO identity.saml_facet (org_id, connection_id, idp_entity_id, sso_url, certificates, allow_idp_initiated,
       account_rule, created_at, updated_at) VALUES ($1, $2, $3, 'https://idp.example/sso', $4, true, '{}', now(), now())`,
    [orgId, connectionId, IDP, [idp.cert]],
  );
};

const shapes: readonly ((kib: number) => string)[] = [
  (kib) => `<r>${'<x/>'.repeat((kib * KIB) / 4)}</r>`,
  (kib) => '<x>'.repeat((kib * KIB) / 3),
  (kib) => `<r${Array.from({ length: (kib * KIB) / 12 }, (_, index) => ` a${String(index)}="x"`).join('')}/>`,
  (kib) =>
    `<r>${Array.from({ length: (kib * KIB) / 24 }, (_, index) => `<x xmlns:n${String(index)}="u"/>`).join('')}</r>`,
  (kib) => `<r>${'&amp;'.repeat((kib * KIB) / 5)}</r>`,
  (kib) => `<r a="${'x'.repeat(kib * KIB)}"/>`,
  (kib) => `<r>${'&'.repeat(kib * KIB)}</r>`,
  (kib) => `<!DOCTYPE r [${'<!ENTITY a "b">'.repeat((kib * KIB) / 15)}]><r/>`,
  (kib) => ' '.repeat(kib * KIB),
];

/** What an attacker without a key can send: every shape at the cap of a message, of a form, and at a megabyte. */
const hostileForms = (): string[] =>
  [180, 250, 370, 750].flatMap((kib) =>
    shapes.map((shape) => new URLSearchParams({ SAMLResponse: Buffer.from(shape(kib)).toString('base64') }).toString()),
  );

const bomb = (): string => encodeURIComponent(deflateRawSync(Buffer.alloc(4 * KIB * KIB, ' ')).toString('base64'));

const inTurns = async (clients: number, work: readonly (() => Promise<void>)[]): Promise<void> => {
  const queue = [...work];
  const client = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  };
  await Promise.all(Array.from({ length: clients }, client));
};

class SamlBench {
  readonly #service: ScimService;
  readonly #directory: Directory;
  readonly #idp: IdpKey;
  #made = 0;
  #lastDelayMs = 0;

  constructor(service: ScimService, directory: Directory, idp: IdpKey) {
    this.#service = service;
    this.#directory = directory;
    this.#idp = idp;
  }

  get #path(): string {
    return `/saml/${this.#directory.connectionId}`;
  }

  /** Logins a second, each verified, used up, turned into an audited session and answered over HTTP. */
  async logins(): Promise<number> {
    const forms = Array.from({ length: LOGINS }, () => this.#response());
    const ms = await timed(async () => {
      await inTurns(
        CLIENTS,
        forms.map((form) => async () => {
          const { status, text } = await this.#service.client.send('POST', `${this.#path}/acs`, FORM, form);
          if (status !== 303) throw new Error(`a login was answered ${String(status)}: ${text}`);
        }),
      );
    });
    return (LOGINS * 1_000) / ms;
  }

  /** The slowest answer to a hostile message, ms. */
  async hostile(): Promise<number> {
    await this.#service.admin.query('TRUNCATE identity.login_throttle');
    await this.#service.probe();
    let slowestMs = 0;
    const sends = hostileForms().map((form) => async () => {
      const ms = await timed(async () => {
        const { status } = await this.#service.client.send('POST', `${this.#path}/acs`, FORM, form).catch(() => ({
          status: 413, // Too large to be read to its end: the connection is closed on it.
        }));
        if (status !== 403 && status !== 413) throw new Error(`a hostile message was answered ${String(status)}`);
      });
      slowestMs = Math.max(slowestMs, ms);
    });
    await inTurns(HOSTILE_CLIENTS, sends);
    const query = `SAMLRequest=${bomb()}&SigAlg=x&Signature=AAAA`;
    slowestMs = Math.max(slowestMs, await timed(() => this.#service.client.send('GET', `${this.#path}/slo?${query}`)));
    this.#lastDelayMs = (await this.#service.probe()).maxDelayMs;
    return slowestMs;
  }

  /** The longest the event loop was held up while hostile messages came in, ms. */
  async delay(): Promise<number> {
    await this.hostile();
    return this.#lastDelayMs;
  }

  #response(): string {
    this.#made += 1;
    const { connectionId } = this.#directory;
    const SAMLResponse = samlResponse({
      issuer: IDP,
      audience: `${ORIGIN}/saml/${connectionId}/metadata`,
      acsUrl: `${ORIGIN}/saml/${connectionId}/acs`,
      assertionId: `_a${String(this.#made)}`,
      nameId: `ext-person-${String(this.#made % PEOPLE)}`,
      groups: Array.from({ length: 20 }, (_, index) => `group-${String(index)}`),
      privateKey: this.#idp.key,
    });
    return new URLSearchParams({ SAMLResponse }).toString();
  }
}

const floor = (value: number) => (): Promise<number> => Promise.resolve(value);

const measurementsOf = (bench: SamlBench): Measurement[] => [
  {
    name: 'SAML logins over HTTP, 16 clients, against 100/s',
    unit: '1/s',
    higherIsBetter: true,
    goal: 1,
    ours: () => bench.logins(),
    reference: floor(GOAL.loginsPerSecond),
  },
  {
    name: 'slowest answer to a hostile message up to 1 MiB, against 250 ms',
    unit: 'ms',
    higherIsBetter: false,
    goal: 1,
    ours: () => bench.hostile(),
    reference: floor(GOAL.answerMs),
  },
  {
    name: 'event-loop delay meanwhile, at most, against 50 ms',
    unit: 'ms',
    higherIsBetter: false,
    goal: 1,
    ours: () => bench.delay(),
    reference: floor(GOAL.eventLoopMs),
  },
];

/** Sign-in by SAML at its budgets: logins a second, and what hostile messages cost everybody else. */
export const saml: Benchmark = {
  title: 'SAML: verified logins a second, and what hostile messages cost, against the budgets',
  rounds: 3,
  open: async () => {
    await using release = new AsyncDisposableStack();
    const server = await startServer();
    release.defer(() => server.close());
    const service = await startScimService(server, 'saml');
    release.defer(() => service.close());
    const directory = await service.newDirectory();
    const call = caller(service.client, directory);
    for (let number = 0; number < PEOPLE; number += 1)
      await call('POST', '/Users', newUser(`person-${String(number)}`));
    const idp = await createSelfSigned('bench identity provider');
    await insertFacet(service.admin, directory, idp);
    const held = release.move();
    const measurements = measurementsOf(new SamlBench(service, directory, idp));
    return { measurements, close: () => held.disposeAsync() };
  },
};
