import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { waitFor } from '@sallyport/dev-env';
import { Authenticator, expectStatus, Person, totpCode } from '@sallyport/dev-env/actors';
import { systemClock } from '@sallyport/storage';

import type { Company } from '../src/company.ts';
import { sessionHeaders } from './senders.ts';

const IDENTITY = '/api/identity/v1';
const FACTORS = `${IDENTITY}/factors`;
export const LOCAL_PASSWORD = 'vogelnest umbrella tractor';

/** Somebody with a local account and no identity provider, signed in. */
export interface LocalPerson {
  readonly person: Person;
  readonly email: string;
  /** Of a session that is recent and complete. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The secret with this prefix in the mail somebody got. */
export const mailedSecret = async ({ constellation }: Company, to: string, prefix: string): Promise<string> => {
  const folder = join(constellation.stateDir, 'mailbox');
  let secret: string | undefined;
  await waitFor(
    () => {
      const files = readdirSync(folder).filter((name) => name.endsWith('.eml'));
      const mails = files.map((name) => readFileSync(join(folder, name), 'utf8'));
      const mine = mails.filter((mail) => mail.includes(`\nTo: ${to}\n`)).join('\n');
      secret = new RegExp(`${prefix}\\w+`).exec(mine)?.[0];
      return Promise.resolve(secret !== undefined);
    },
    { message: `mail to ${to}` },
  );
  return secret ?? '';
};

/** Invites somebody; their invitation is open. */
export const inviteGuest = async (company: Company): Promise<{ id: string; email: string }> => {
  const email = `${company.nextName('guest')}@elsewhere.example`;
  const { id } = await expectStatus(company.owner, 201, 'POST', `${IDENTITY}/invitations`, { email });
  return { id: String(id), email };
};

const signedIn = async ({ constellation }: Company, email: string, code?: string): Promise<Person> => {
  const person = new Person(constellation.origin, email);
  const more = code === undefined ? {} : { code };
  const body = { email, password: LOCAL_PASSWORD, organization: constellation.bootstrap.organization.slug, ...more };
  await expectStatus(person, 200, 'POST', `${IDENTITY}/login`, body);
  return person;
};

/** Somebody who accepted an invitation with a password and has signed in. */
export const hireLocally = async (company: Company): Promise<LocalPerson> => {
  const { email } = await inviteGuest(company);
  const token = await mailedSecret(company, email, 'sp_inv_');
  const { origin } = company.constellation;
  const guest = new Person(origin, email);
  const form = new URLSearchParams({ token, password: LOCAL_PASSWORD });
  await guest.web.request(`${origin}/login/invitation`, { method: 'POST', headers: { origin }, body: form });
  const person = await signedIn(company, email);
  return { person, email, headers: sessionHeaders(person) };
};

/** The same with an authenticator app, signed in with a recovery code. */
export const hireWithApp = async (company: Company): Promise<LocalPerson> => {
  const { person, email } = await hireLocally(company);
  const { secret } = await expectStatus(person, 200, 'POST', `${FACTORS}/totp`, {});
  const code = totpCode(String(secret), systemClock.now());
  const { recoveryCodes } = await expectStatus(person, 200, 'POST', `${FACTORS}/totp/confirm`, { code });
  const complete = await signedIn(company, email, (recoveryCodes as string[])[0]);
  return { person: complete, email, headers: sessionHeaders(complete) };
};

/** The same with an authenticator app that waits for the code it shows. */
export const hireWithPendingApp = async (company: Company): Promise<LocalPerson & { readonly code: string }> => {
  const local = await hireLocally(company);
  const { secret } = await expectStatus(local.person, 200, 'POST', `${FACTORS}/totp`, {});
  return { ...local, code: totpCode(String(secret), systemClock.now()) };
};

/** Somebody whose browser has made a passkey that is not registered yet. */
export const hireWithNewPasskey = async (company: Company): Promise<LocalPerson & { readonly response: object }> => {
  const local = await hireLocally(company);
  const options = await expectStatus(local.person, 200, 'POST', `${FACTORS}/passkeys/options`, {});
  const authenticator = new Authenticator(company.constellation.origin);
  return { ...local, response: authenticator.create(options as Parameters<Authenticator['create']>[0]) };
};

/** Somebody with a passkey, signed in with a recovery code beside the password. */
export const hireWithPasskey = async (company: Company): Promise<LocalPerson & { readonly passkeyId: string }> => {
  const { person, email, response } = await hireWithNewPasskey(company);
  const added = await expectStatus(person, 201, 'POST', `${FACTORS}/passkeys`, { response, name: 'Key' });
  const complete = await signedIn(company, email, (added['recoveryCodes'] as string[])[0]);
  const { id } = added['passkey'] as { id: string };
  return { person: complete, email, headers: sessionHeaders(complete), passkeyId: id };
};
