import type { TestIdentity, TestOrganization } from './identity.ts';

/** The parts of our bodies that tests look at; all of them are optional in truth. */
export interface Body {
  readonly id: string;
  readonly token: string;
  readonly schemas: readonly string[];
  readonly userName: string;
  readonly externalId?: string;
  readonly displayName: string;
  readonly active: boolean;
  readonly name: Readonly<Record<string, string>>;
  readonly emails: readonly Readonly<Record<string, unknown>>[];
  readonly groups: readonly Readonly<Record<string, string>>[];
  readonly members: readonly Readonly<Record<string, string>>[];
  readonly meta: Readonly<Record<string, string>>;
  readonly Resources: readonly Body[];
  readonly totalResults: number;
  readonly startIndex: number;
  readonly itemsPerPage: number;
  readonly status: string;
  readonly scimType?: string;
  readonly detail: string;
  readonly code: string;
  readonly items: readonly Body[];
  readonly nextCursor: string | null;
  readonly entry: AuditEntry;
  readonly [name: string]: unknown;
}

export interface AuditEntry {
  readonly action: string;
  readonly outcome: string;
  readonly reason?: string;
  readonly actor: Readonly<Record<string, string>>;
  readonly target: { readonly type: string; readonly id: string };
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

export interface Ask {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string;
}

/** One HTTP request to the service; the body of the answer is parsed when there is one. */
export const ask = async (identity: TestIdentity, method: string, path: string, options: Ask = {}): Promise<Answer> => {
  const payload = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
  const response = await fetch(`http://127.0.0.1:${String(identity.server.httpPort)}${path}`, {
    method,
    headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
    ...(payload === undefined ? {} : { body: payload }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text === '' ? '{}' : text) as Body };
};

export type Client = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;

/** Calls of the organisation's Owner to `/api/identity/v1`. */
export const apiClient =
  (identity: TestIdentity, { authorization }: TestOrganization): Client =>
  (method, path, body, headers) =>
    ask(identity, method, `/api/identity/v1${path}`, { body, headers: { authorization, ...headers } });

/** A directory: a connection with SCIM on, its token, and calls to `/scim/v2`. */
export interface Directory {
  readonly orgId: string;
  readonly connectionId: string;
  readonly token: string;
  readonly scim: Client;
}

const USER_AGENT = 'OKTA SCIM Integration';

export const scimClient =
  (identity: TestIdentity, token: string): Client =>
  (method, path, body, headers) =>
    ask(identity, method, `/scim/v2${path}`, {
      body,
      headers: {
        authorization: `Bearer ${token}`,
        'user-agent': USER_AGENT,
        accept: 'application/scim+json',
        ...(body === undefined ? {} : { 'content-type': 'application/scim+json; charset=utf-8' }),
        ...headers,
      },
    });

export const newDirectory = async (
  identity: TestIdentity,
  organization: TestOrganization,
  name = 'Okta',
): Promise<Directory> => {
  const api = apiClient(identity, organization);
  const connection = await api('POST', '/connections', { name, scim: { profile: 'auto' } });
  const issued = await api('POST', `/connections/${connection.body.id}/scim-tokens`, { name: 'first' });
  const token = issued.body.token;
  return { orgId: organization.orgId, connectionId: connection.body.id, token, scim: scimClient(identity, token) };
};

export const USER_URN = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE_URN = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const GROUP_URN = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const PATCH_URN = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

export const patchOf = (...operations: unknown[]) => ({ schemas: [PATCH_URN], Operations: operations });
