import { generateKeyPairSync, randomUUID } from 'node:crypto';

import { waitFor } from '@sallyport/dev-env';
import { expectStatus, issueApiToken, Person, WebClient, type Caller } from '@sallyport/dev-env/actors';

import { askPolicy, employ, type Company } from '../src/company.ts';
import { createProject, requestChange, type ChangeRequest, type Project } from '../src/project.ts';
import { inAnHour, inTwoHours } from '../src/time.ts';
import { credentialsOf, type Credentials } from './senders.ts';

export const USER_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const GROUP_SCHEMA = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const PATCH_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

const IDENTITY = '/api/identity/v1';
const POLICY = '/api/policy/v1';

/** Makes new things of the company's own, one for every test that needs one. */
export class Workshop {
  readonly company: Company;
  /** A release manager, signed in: may ask for changes in production and review those of others. */
  readonly author: Person;
  readonly project: Project;
  /** The Owner in a browser: sessions and API tokens are of whoever is asked about. */
  readonly ownerSession: Person;
  /** The environment key is of the project's staging environment. */
  readonly credentials: Credentials;
  #made = 0;

  private constructor(
    company: Company,
    {
      author,
      ownerSession,
      project,
      credentials,
    }: Pick<Workshop, 'author' | 'ownerSession' | 'project' | 'credentials'>,
  ) {
    this.company = company;
    this.author = author;
    this.ownerSession = ownerSession;
    this.project = project;
    this.credentials = credentials;
  }

  static async open(company: Company): Promise<Workshop> {
    const { bootstrap } = company.constellation;
    const { person: author } = await employ(company, ['release-managers']);
    const project = await createProject(company, ['standing']);
    const ownerSession = await signInOwner(company);
    const made = await expectStatus(company.owner, 201, 'POST', `${project.path}/environments/staging/keys`, {
      name: 'Workshop',
      kind: 'server',
    });
    const credentials = credentialsOf({
      ownerToken: await issueApiToken(ownerSession, 'Workshop', inTwoHours()),
      ownerSession,
      scimToken: bootstrap.scim.token,
      environmentKey: String(made['key']),
      decisionToken: bootstrap.policy.token,
    });
    return new Workshop(company, { author, ownerSession, project, credentials });
  }

  name(prefix: string): string {
    this.#made += 1;
    return `${prefix}-${String(this.#made)}-${this.project.key}`;
  }

  async user(): Promise<string> {
    return await this.#create(this.company.directory, '/scim/v2/Users', this.userBody());
  }

  /** A user policy has heard of: it learns of people through the subject log, a moment later. */
  async knownUser(): Promise<string> {
    const id = await this.user();
    await waitFor(async () => (await askPolicy(this.company, id)).reason !== 'SUBJECT_UNKNOWN', {
      message: 'policy to know a new user',
    });
    return id;
  }

  /** A group policy has heard of, with one mapping: to the role `viewer`. */
  async mappedGroup(): Promise<{ groupId: string; mappingId: string }> {
    const groupId = await this.group();
    const path = `${POLICY}/group-mappings`;
    let mappingId: unknown;
    await waitFor(
      async () => {
        const { status, body } = await this.company.owner.call('POST', path, { groupId, role: 'viewer' });
        mappingId = body['id'];
        return status === 201;
      },
      { message: 'policy to know a new group' },
    );
    return { groupId, mappingId: String(mappingId) };
  }

  async group(): Promise<string> {
    return await this.#create(this.company.directory, '/scim/v2/Groups', this.groupBody());
  }

  userBody(): object {
    return { schemas: [USER_SCHEMA], userName: `${this.name('user')}@acme.example`, active: true };
  }

  groupBody(): object {
    return { schemas: [GROUP_SCHEMA], displayName: this.name('group') };
  }

  async connection(): Promise<string> {
    return await this.#owned(`${IDENTITY}/connections`, { name: this.name('connection'), scim: {} });
  }

  /** A connection, and a drift report of it. */
  async driftReport(): Promise<{ connectionId: string; reportId: string }> {
    const connectionId = await this.connection();
    const path = `${IDENTITY}/connections/${connectionId}/drift-reports`;
    const made = await expectStatus(this.company.owner, 202, 'POST', path, { users: [] });
    return { connectionId, reportId: String(made['id']) };
  }

  async scimToken(connectionId: string): Promise<string> {
    return await this.#owned(`${IDENTITY}/connections/${connectionId}/scim-tokens`, { name: 'Workshop' });
  }

  /** A connection's OAuth client, and its first secret. */
  async scimClient(): Promise<{ connectionId: string; clientId: string; secretId: string }> {
    const connectionId = await this.connection();
    const path = `${IDENTITY}/connections/${connectionId}/scim-clients`;
    const made = await expectStatus(this.company.owner, 201, 'POST', path, { name: 'Workshop' });
    return { connectionId, clientId: String(made['clientId']), secretId: String(made['secretId']) };
  }

  async withSaml({ byUrl = false }: { byUrl?: boolean } = {}): Promise<string> {
    const connectionId = await this.connection();
    const path = `${IDENTITY}/connections/${connectionId}/saml`;
    const metadataUrl = `${this.company.constellation.bootstrap.idp.url}/saml/metadata`;
    await expectStatus(this.company.owner, 200, 'PUT', path, byUrl ? { metadataUrl } : await this.samlFacet());
    return connectionId;
  }

  async withOidc(): Promise<string> {
    const connectionId = await this.connection();
    const path = `${IDENTITY}/connections/${connectionId}/oidc`;
    await expectStatus(this.company.owner, 200, 'PUT', path, this.oidcFacet());
    return connectionId;
  }

  /** The demo IdP's own metadata. */
  async samlFacet(): Promise<{ metadataXml: string }> {
    const { text } = await new WebClient().request(`${this.company.constellation.bootstrap.idp.url}/saml/metadata`);
    return { metadataXml: text };
  }

  oidcFacet(): { issuer: string; clientId: string; clientSecret: string } {
    const { url } = this.company.constellation.bootstrap.idp;
    return { issuer: `${url}/oidc`, clientId: this.name('client'), clientSecret: randomUUID() };
  }

  async grant(): Promise<string> {
    const body = { subject: { type: 'user', id: await this.knownUser() }, role: 'viewer' };
    return await this.#owned(`${POLICY}/grants`, body);
  }

  /** A role of the company's own; its key. */
  async role(): Promise<string> {
    const body = this.roleBody();
    await expectStatus(this.company.owner, 201, 'POST', `${POLICY}/roles`, body);
    return body.key;
  }

  async separationRule(): Promise<string> {
    return await this.#owned(`${POLICY}/separation-rules`, await this.separationBody());
  }

  /** Of roles nobody holds, so that it is in nobody's way. */
  async separationBody() {
    return { name: this.name('separation'), roles: [await this.role(), await this.role()] };
  }

  roleBody() {
    const key = this.name('role');
    return { key, name: key, levels: ['project'], permissions: { production: ['flag:read'] } };
  }

  async mapping(): Promise<string> {
    return (await this.mappedGroup()).mappingId;
  }

  async decisionToken(): Promise<string> {
    return await this.#owned(`${POLICY}/decision-tokens`, { name: this.name('decision-token') });
  }

  async session(): Promise<string> {
    const another = await signInOwner(this.company);
    return String((await expectStatus(another, 200, 'GET', `${IDENTITY}/me`))['credentialId']);
  }

  /** Somebody who is signed in, and their session. */
  async signedIn(): Promise<{ accountId: string; sessionId: string }> {
    const { person, subjectId } = await employ(this.company, []);
    const { credentialId } = await expectStatus(person, 200, 'GET', `${IDENTITY}/me`);
    return { accountId: subjectId, sessionId: String(credentialId) };
  }

  async serviceAccount(): Promise<string> {
    return await this.#owned(`${IDENTITY}/accounts`, { kind: 'service_account', userName: this.name('robot') });
  }

  /** What a service account registers a public key with. */
  keyBody(): object {
    const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    return { name: this.name('key'), jwk: { ...jwk, kid: this.name('kid') }, expiresAt: inAnHour().toISOString() };
  }

  /** A key of a service account. */
  async workloadKey(accountId: string): Promise<string> {
    const path = `${IDENTITY}/accounts/${accountId}/keys`;
    return String((await expectStatus(this.company.owner, 201, 'POST', path, this.keyBody()))['id']);
  }

  async serviceAccountToken(accountId: string): Promise<{ id: string; token: string }> {
    const body = { name: this.name('token'), expiresAt: inAnHour().toISOString() };
    const path = `${IDENTITY}/accounts/${accountId}/api-tokens`;
    const { id, token } = await expectStatus(this.company.owner, 201, 'POST', path, body);
    return { id: String(id), token: String(token) };
  }

  async apiToken(): Promise<string> {
    const body = { name: this.name('token'), expiresAt: inAnHour().toISOString() };
    return await this.#create(this.ownerSession, `${IDENTITY}/api-tokens`, body);
  }

  async client(): Promise<string> {
    const body = { name: this.name('application'), redirectUris: ['https://app.acme.example/callback'] };
    return String((await expectStatus(this.company.owner, 201, 'POST', `${IDENTITY}/oauth-clients`, body))['clientId']);
  }

  /** A second secret of an application. */
  async clientSecret(clientId: string): Promise<string> {
    const path = `${IDENTITY}/oauth-clients/${clientId}/secrets`;
    return String((await expectStatus(this.company.owner, 201, 'POST', path))['id']);
  }

  /** A flag in the open environment alone: whatever is done to it is done at once. */
  async flag(): Promise<string> {
    const key = this.name('flag');
    const definition = { type: 'boolean', variants: { on: true, off: false }, defaultVariant: 'off' };
    const body = { key, ...definition, environments: ['staging'] };
    await expectStatus(this.company.owner, 201, 'POST', `${this.project.path}/flags`, body);
    return key;
  }

  async archivedFlag(): Promise<string> {
    const key = await this.flag();
    await expectStatus(this.company.owner, 200, 'PATCH', `${this.project.path}/flags/${key}`, { archived: true });
    return key;
  }

  async key(): Promise<string> {
    return await this.#owned(`${this.project.path}/environments/staging/keys`, { name: 'Workshop', kind: 'client' });
  }

  /** A change of the author's in the protected environment, waiting for approval. */
  async change(): Promise<ChangeRequest> {
    return await requestChange(this.author, this.project, 'standing');
  }

  async #owned(path: string, body: object): Promise<string> {
    return await this.#create(this.company.owner, path, body);
  }

  async #create(caller: Caller, path: string, body: object): Promise<string> {
    return String((await expectStatus(caller, 201, 'POST', path, body))['id']);
  }
}

/** The break-glass Owner in a new browser. */
export const signInOwner = async ({ constellation }: Company): Promise<Person> => {
  const { organization, owner } = constellation.bootstrap;
  const person = new Person(constellation.origin, owner.email);
  await person.signInWithPassword(organization.slug, owner.password);
  return person;
};

/** An API token of the Owner's, from a session: the company's own cannot make one that lives as long as itself. */
export const ownerToken = async (company: Company): Promise<string> =>
  await issueApiToken(await signInOwner(company), 'Tests', inAnHour());
