import { expectStatus, patient } from '@sallyport/dev-env/actors';

import type { Company, Employee } from './company.ts';

/** One way in which somebody's access ends; `back`: the way back in, where there is one. Both return at the 2xx. */
export interface WayOut {
  readonly name: string;
  /** The dialect of the directory somebody was provisioned in. */
  readonly flavor: 'okta' | 'entra';
  readonly out: (company: Company, employee: Employee) => Promise<void>;
  readonly back?: (company: Company, employee: Employee) => Promise<void>;
}

const userPath = ({ subjectId }: Employee): string => `/scim/v2/Users/${subjectId}`;

const putActive = async ({ directory }: Company, employee: Employee, active: boolean): Promise<void> => {
  const { schemas, externalId, userName, name, emails } = await expectStatus(directory, 200, 'GET', userPath(employee));
  const body = { schemas, externalId, userName, name, emails, active };
  await expectStatus(directory, 200, 'PUT', userPath(employee), body);
};

const byDirectory = (flavor: 'okta' | 'entra', name: string): WayOut => ({
  name,
  flavor,
  out: async ({ idp }, { key }) => {
    await idp.act(key, 'deactivate');
  },
  back: async ({ idp }, { key }) => {
    await idp.act(key, 'activate');
  },
});

const byAdmin = (action: 'deactivate' | 'reactivate') => {
  return async ({ owner }: Company, { subjectId }: Employee): Promise<void> => {
    await expectStatus(patient(owner), 200, 'POST', `/api/identity/v1/accounts/${subjectId}/${action}`, {});
  };
};

const setConnection = (enabled: boolean) => {
  return async ({ owner, connectionId }: Company): Promise<void> => {
    await expectStatus(owner, 200, 'PATCH', `/api/identity/v1/connections/${connectionId}`, { enabled });
  };
};

/** Every way out there is. The last one is for good, for everybody of the connection. */
export const WAYS_OUT: readonly WayOut[] = [
  byDirectory('okta', 'SCIM PATCH as Okta sends it'),
  byDirectory('entra', 'SCIM PATCH as Entra sends it'),
  {
    name: 'SCIM PUT with active: false',
    flavor: 'okta',
    out: async (company, employee) => {
      await putActive(company, employee, false);
    },
    back: async (company, employee) => {
      await putActive(company, employee, true);
    },
  },
  {
    name: 'SCIM DELETE',
    flavor: 'entra',
    out: async ({ directory }, employee) => {
      await expectStatus(directory, 204, 'DELETE', userPath(employee));
    },
  },
  {
    name: 'an administrator deactivating the account',
    flavor: 'okta',
    out: byAdmin('deactivate'),
    back: byAdmin('reactivate'),
  },
  { name: 'disabling the connection', flavor: 'entra', out: setConnection(false), back: setConnection(true) },
  {
    name: 'removing the connection',
    flavor: 'okta',
    out: async ({ owner, connectionId }) => {
      await expectStatus(owner, 204, 'DELETE', `/api/identity/v1/connections/${connectionId}`);
    },
  },
];
