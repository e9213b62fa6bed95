import {
  hireLocally,
  hireWithApp,
  hireWithNewPasskey,
  hireWithPasskey,
  hireWithPendingApp,
  inviteGuest,
  LOCAL_PASSWORD,
} from './local-person.ts';
import { of, type RouteCase } from './route-case.ts';

const I = '/api/identity/v1';
const F = `${I}/factors`;

const FACTORS: Readonly<Record<string, RouteCase>> = {
  [`DELETE ${I}/sessions`]: {
    status: 204,
    prepare: async ({ company }) => ({ headers: (await hireLocally(company)).headers }),
  },
  [`POST ${F}/totp`]: {
    status: 200,
    prepare: async ({ company }) => ({ headers: (await hireLocally(company)).headers, body: {} }),
  },
  [`POST ${F}/totp/confirm`]: {
    status: 200,
    prepare: async ({ company }) => {
      const { headers, code } = await hireWithPendingApp(company);
      return { headers, body: { code } };
    },
    entries: ['totp.enrolled', 'recovery-codes.issued'],
  },
  [`DELETE ${F}/totp`]: {
    status: 204,
    prepare: async ({ company }) => ({ headers: (await hireWithApp(company)).headers }),
    entries: ['totp.removed'],
  },
  [`POST ${F}/recovery-codes`]: {
    status: 200,
    prepare: async ({ company }) => ({ headers: (await hireWithApp(company)).headers, body: {} }),
    entries: ['recovery-codes.issued'],
  },
  [`POST ${F}/passkeys/options`]: {
    status: 200,
    prepare: async ({ company }) => ({ headers: (await hireLocally(company)).headers, body: {} }),
  },
  [`POST ${F}/passkeys`]: {
    status: 201,
    prepare: async ({ company }) => {
      const { headers, response } = await hireWithNewPasskey(company);
      return { headers, body: { response, name: 'Key' } };
    },
    entries: ['passkey.added', 'recovery-codes.issued'],
  },
  [`PATCH ${F}/passkeys/:passkeyId`]: {
    as: 'owner-session',
    status: 204,
    prepare: async ({ company }) => {
      const { headers, passkeyId } = await hireWithPasskey(company);
      return { headers, params: { passkeyId }, body: { name: 'Laptop' } };
    },
    entries: ['passkey.renamed'],
  },
  [`DELETE ${F}/passkeys/:passkeyId`]: {
    as: 'owner-session',
    status: 204,
    prepare: async ({ company }) => {
      const { headers, passkeyId } = await hireWithPasskey(company);
      return { headers, params: { passkeyId } };
    },
    entries: ['passkey.removed'],
  },
  [`PUT ${I}/password`]: {
    status: 204,
    prepare: async ({ company }) => ({
      headers: (await hireLocally(company)).headers,
      body: { current: LOCAL_PASSWORD, password: 'another umbrella tractor' },
    }),
    entries: ['password.changed'],
  },
};

const ADMINISTRATION: Readonly<Record<string, RouteCase>> = {
  [`GET ${I}/accounts/:accountId/factors`]: { status: 200, prepare: of('accountId', (workshop) => workshop.user()) },
  [`DELETE ${I}/accounts/:accountId/factors`]: {
    status: 204,
    prepare: of('accountId', (workshop) => workshop.user()),
    entries: ['account.epoch-raised', 'factors.reset', 'account.deactivation-effective'],
  },
  [`PATCH ${I}/local-sign-in`]: {
    status: 200,
    // As it is: others sign in locally meanwhile.
    prepare: async () => await Promise.resolve({ body: { localAccountsEnabled: true } }),
  },
  [`POST ${I}/invitations`]: {
    status: 201,
    prepare: async ({ company }) =>
      await Promise.resolve({ body: { email: `${company.nextName('guest')}@elsewhere.example` } }),
    entries: ['invitation.created'],
  },
  [`DELETE ${I}/invitations/:invitationId`]: {
    status: 204,
    prepare: of('invitationId', async ({ company }) => (await inviteGuest(company)).id),
    entries: ['invitation.revoked'],
  },
};

/** Routes of local accounts and their factors, by the name of the row. */
export const LOCAL_ACCOUNT_ROUTE_CASES: Readonly<Record<string, RouteCase>> = { ...FACTORS, ...ADMINISTRATION };
