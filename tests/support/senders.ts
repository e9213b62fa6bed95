import type { Person } from '@sallyport/dev-env/actors';

/** Who sends a request: each organisation has one of each. */
export type Sender = 'owner' | 'owner-session' | 'directory' | 'environment-key' | 'decision-token';

/** The headers that make a request one of this sender's. */
export type Credentials = Readonly<Record<Sender, Readonly<Record<string, string>>>>;

const withToken = (token: string): Readonly<Record<string, string>> => ({ authorization: `Bearer ${token}` });

/** What an organisation holds, one of each. */
export interface Held {
  readonly ownerToken: string;
  readonly ownerSession: Person;
  readonly scimToken: string;
  readonly environmentKey: string;
  readonly decisionToken: string;
}

/** Headers for each sender; the session's as a page of our own would send them. */
export const credentialsOf = (held: Held): Credentials => ({
  owner: withToken(held.ownerToken),
  'owner-session': sessionHeaders(held.ownerSession),
  directory: withToken(held.scimToken),
  'environment-key': withToken(held.environmentKey),
  'decision-token': withToken(held.decisionToken),
});

/** The cookie of somebody signed in, sent from a page of our origin. */
export const sessionHeaders = ({ session, origin }: Person): Readonly<Record<string, string>> => ({
  cookie: `__Host-sallyport_session=${session ?? ''}`,
  origin,
});
