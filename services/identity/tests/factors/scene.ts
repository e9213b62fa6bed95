import assert from 'node:assert/strict';

import { Authenticator, totpCode } from '@sallyport/dev-env/actors';
import type { MailMessage } from '@sallyport/mail';
import { systemClock } from '@sallyport/storage';

import { createAccount } from '../../src/accounts/index.ts';
import { Browser } from '../support/browser.ts';
import {
  newOrganization,
  OWNER_PASSWORD,
  startAtOrigin,
  type TestIdentity,
  type TestOrganization,
} from '../support/identity.ts';

export const OWNER_EMAIL = 'owner@example.com';

/** An answer whose JSON has been read. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A clock that runs as fast as the real one, from where a test puts it. */
export class TestClock {
  #offsetMs = 0;

  readonly now = (): Date => new Date(systemClock.now().getTime() + this.#offsetMs);
  readonly monotonicMs = (): number => systemClock.monotonicMs();

  advance(ms: number): void {
    this.#offsetMs += ms;
  }
}

/** A mailer that keeps what it is given, and fails when it is told to. */
export class TestMailer {
  readonly sent: MailMessage[] = [];
  #failures: Error[] = [];

  failNext(...errors: Error[]): void {
    this.#failures.push(...errors);
  }

  readonly send = async (message: MailMessage): Promise<void> => {
    await Promise.resolve();
    const failure = this.#failures.shift();
    if (failure !== undefined) throw failure;
    this.sent.push(message);
  };

  readonly close = async (): Promise<void> => {
    await Promise.resolve();
  };
}

/** The service, one organisation with its local Owner, and what people do with a browser. */
export class Scene {
  readonly identity: TestIdentity;
  readonly organization: TestOrganization;
  readonly origin: string;
  readonly clock: TestClock;
  readonly mailer: TestMailer;
  /** Entries of the audit log from before the test. */
  #entriesBefore = -1n;

  private constructor(init: Pick<Scene, 'identity' | 'organization' | 'origin' | 'clock' | 'mailer'>) {
    this.identity = init.identity;
    this.organization = init.organization;
    this.origin = init.origin;
    this.clock = init.clock;
    this.mailer = init.mailer;
  }

  static async open(): Promise<Scene> {
    const clock = new TestClock();
    const mailer = new TestMailer();
    const { identity, origin } = await startAtOrigin({ clock, mailer });
    const organization = await newOrganization(identity);
    return new Scene({ identity, organization, origin, clock, mailer });
  }

  async close(): Promise<void> {
    await this.identity.close();
  }

  /** As if nobody had set up anything, or tried anything, yet; the log and the clock go on. */
  async reset(): Promise<void> {
    for (const table of ['totp_factor', 'recovery_code', 'passkey', 'half_login', 'login_throttle', 'mail_outbox'])
      await this.identity.admin(`DELETE FROM identity.${table}`);
    await this.setRules({ localAccountsEnabled: true, secondFactorRequired: false });
    this.mailer.sent.splice(0);
    this.#entriesBefore = (await this.identity.context.audit.size(this.organization.orgId)) - 1n;
  }

  /** A request to the API, as a script of our own page sends it. */
  async api(browser: Browser, method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await browser.open(`${this.origin}/api/identity/v1${path}`, {
      method,
      headers: { origin: this.origin, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> };
  }

  /** Fails with the answer when it is not what was expected. */
  async expect(status: number, ...request: Parameters<Scene['api']>): Promise<Record<string, unknown>> {
    const answer = await this.api(...request);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    return answer.body;
  }

  async form(browser: Browser, path: string, fields: Record<string, string>): Promise<Response> {
    return await browser.post(`${this.origin}${path}`, fields);
  }

  async login(browser: Browser, more: Record<string, string> = {}): Promise<Answer> {
    return await this.api(browser, 'POST', '/login', { email: OWNER_EMAIL, password: OWNER_PASSWORD, ...more });
  }

  /** An ordinary local account with the Owner's password. */
  async newLocalAccount(email: string): Promise<{ id: string; email: string }> {
    const { context } = this.identity;
    const actor = { type: 'operator', id: 'operator' } as const;
    const { orgId, ownerId } = this.organization;
    const { value } = await context.audit.mutate({ orgId, actor, requestId: 'test' }, async (tx) => {
      const profile = { emails: [{ value: email, primary: true }] };
      const none = { connectionId: null, externalId: null };
      return await createAccount(tx, context, { kind: 'user', ...none, userName: email, profile });
    });
    await this.identity.admin(
      `INSERT INTO identity.local_credential SELECT org_id, $1, password_hash, changed_at FROM identity.local_credential WHERE account_id = $2`,
      [value.id, ownerId],
    );
    return { id: value.id, email };
  }

  /** Signed in with the password, and a code where one is given. */
  async signedIn(more: Record<string, string> = {}): Promise<Browser> {
    const browser = new Browser();
    const answer = await this.login(browser, more);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return browser;
  }

  async me(browser: Browser): Promise<Record<string, unknown> | null> {
    const { status, body } = await this.api(browser, 'GET', '/me');
    return status === 200 ? body : null;
  }

  /** The code an authenticator app shows, some steps away from now. */
  code(secret: string, away = 0): string {
    return totpCode(secret, new Date(this.clock.now().getTime() + away * 30_000));
  }

  /** Moves to the next step, so that a code is there that was not used. */
  nextCode(secret: string): string {
    this.clock.advance(30_000);
    return this.code(secret);
  }

  async enrolTotp(browser: Browser): Promise<{ secret: string; recoveryCodes: string[] | null }> {
    const begun = await this.expect(200, browser, 'POST', '/factors/totp', {});
    const secret = String(begun['secret']);
    const done = await this.expect(200, browser, 'POST', '/factors/totp/confirm', { code: this.code(secret) });
    return { secret, recoveryCodes: done['recoveryCodes'] as string[] | null };
  }

  async enrolPasskey(
    browser: Browser,
    authenticator = new Authenticator(this.origin),
  ): Promise<{ authenticator: Authenticator; id: string; recoveryCodes: string[] | null }> {
    const options = await this.expect(200, browser, 'POST', '/factors/passkeys/options', {});
    const response = authenticator.create(options as never);
    const done = await this.expect(201, browser, 'POST', '/factors/passkeys', { response, name: 'Laptop' });
    const passkey = done['passkey'] as { id: string };
    return { authenticator, id: passkey.id, recoveryCodes: done['recoveryCodes'] as string[] | null };
  }

  async loginWithPasskey(
    browser: Browser,
    authenticator: Authenticator,
    deviation: Parameters<Authenticator['get']>[1] = {},
  ): Promise<Answer> {
    const options = await this.expect(200, browser, 'POST', '/login/passkey/options', {});
    return await this.api(browser, 'POST', '/login/passkey', {
      response: authenticator.get(options as never, deviation),
    });
  }

  /** The secret with this prefix in the newest mail to somebody; what is due is sent first. */
  async mailedSecret(prefix: string, to: string): Promise<string> {
    for (let tries = 0; tries < 5; tries += 1) {
      await this.identity.context.mail.deliverDue();
      const mail = this.mailer.sent.findLast((message) => message.to === to);
      const secret = new RegExp(`${prefix}\\w+`).exec(mail?.text ?? '')?.[0];
      if (secret !== undefined) return secret;
      this.clock.advance(30_000);
    }
    throw new Error(`no mail to ${to}`);
  }

  /** Entries of this action since the last reset, newest last. */
  async entries(action: string): Promise<{ reason?: string; outcome: string; actor: { type: string; id: string } }[]> {
    const { audit } = this.identity.context;
    const records = await audit.list(this.organization.orgId, { limit: 500, action, after: this.#entriesBefore });
    return records.map((record) => (record as unknown as { entry: never }).entry);
  }

  async setRules(rules: { localAccountsEnabled?: boolean; secondFactorRequired?: boolean }): Promise<void> {
    await this.identity.admin(
      `UPDATE identity.organization SET local_accounts_enabled = coalesce($2, local_accounts_enabled),
         second_factor_required = coalesce($3, second_factor_required) WHERE org_id = $1`,
      [this.organization.orgId, rules.localAccountsEnabled ?? null, rules.secondFactorRequired ?? null],
    );
  }
}
