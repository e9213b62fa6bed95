/** oidc-provider's storage interface on our table: see facts of each method, and artifact-store.ts for the joins. */
import { type AuditContext, type AuditLog } from '@sallyport/audit';
import { isStorable } from '@sallyport/http';
import { newId, secretHash, type Clock, type Database, type ReadTx, type WriteTx } from '@sallyport/storage';
import { errors, Provider, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider';

import {
  consumeArtifact,
  deleteArtifact,
  deleteGrant,
  findArtifact,
  findArtifactByUid,
  findGrantOf,
  findGrantOwner,
  hasOtherOfUid,
  replaceArtifactOfUid,
  upsertArtifact,
  upsertGrantArtifact,
  type ArtifactOwner,
  type FoundArtifact,
  type NewArtifact,
} from './artifact-store.ts';
import { WORKLOAD_PREFIX } from '../workload/index.ts';
import { clientMetadata, type SigningAlgorithm } from './client.ts';
import type { ShownClient } from './client-store.ts';
import { issueWorkloadToken } from './issue-workload-token.ts';
import { isMachineId, MachineClients } from './machine-clients.ts';
import { providerRequest } from './request-session.ts';
import { admitStranger, LEFT_BY_STRANGERS } from './strangers.ts';
import type { TokenFlights } from './token-flights.ts';
import type { Issued, ShownKey } from './token-store.ts';

export interface AdapterDependencies {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly clock: Clock;
  /** `id_token_signed_response_alg` of every client: what our signing key can do. */
  readonly signingAlgorithm: SigningAlgorithm;
  readonly flights: TokenFlights;
}

/** Under which grant type which parameter shows what (RFC 6749 §4.1.3, §6). */
const REDEEMED: ReadonlyMap<unknown, { readonly parameter: string; readonly model: string }> = new Map([
  ['authorization_code', { parameter: 'code', model: 'AuthorizationCode' }],
  ['refresh_token', { parameter: 'refresh_token', model: 'RefreshToken' }],
]);
const WHY = 'state of the OpenID Provider; grants are audited';
const ALL = 'all-organizations';
/** Each of them lost to another one that was written meanwhile. */
const MAX_RENEWALS = 10;
/** In JSON: what PostgreSQL stores no text with. */
const NUL = /(?<!\\)(?:\\\\)*\\u0000/;

type Dependencies = AdapterDependencies & { readonly machines: MachineClients };

/** Makes the adapter of one model. */
export const adapterFactory = (dependencies: AdapterDependencies): ((model: string) => Adapter) => {
  const all = { ...dependencies, machines: new MachineClients(dependencies) };
  return (model) => (model === 'Client' ? new ClientAdapter(all) : new ArtifactAdapter(model, all));
};

/** Writes what requests to the token endpoint have gathered; see {@link ArtifactAdapter.writeIssued}. */
export const issuedWriter = (dependencies: AdapterDependencies): ((issued: Issued) => Promise<void>) => {
  const adapter = new ArtifactAdapter('Grant', { ...dependencies, machines: new MachineClients(dependencies) });
  return async (issued) => {
    await adapter.writeIssued(issued);
  };
};

const unsupported = async (): Promise<undefined> => await Promise.resolve(undefined);

/** What a request for tokens shows; null where it shows nothing of the kind. */
const shownIn = (ctx: KoaContextWithOIDC | undefined): ShownKey | null => {
  const params = ctx?.oidc.params;
  const redeemed = REDEEMED.get(params?.['grant_type']);
  const value = redeemed === undefined ? undefined : params?.[redeemed.parameter];
  return redeemed === undefined || typeof value !== 'string'
    ? null
    : { model: redeemed.model, idHash: secretHash(value) };
};

/** Clients are read from their own table and written through the admin API only. */
class ClientAdapter implements Adapter {
  readonly #dependencies: Dependencies;
  readonly upsert = unsupported;
  readonly findByUserCode = unsupported;
  readonly findByUid = unsupported;
  readonly consume = unsupported;
  readonly destroy = unsupported;
  readonly revokeByGrantId = unsupported;

  constructor(dependencies: Dependencies) {
    this.#dependencies = dependencies;
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    if (!isStorable(id)) return undefined; // Nothing of that name can be there to be looked for.
    if (isMachineId(id)) return await this.#dependencies.machines.find(id);
    const client = await this.#find(id);
    return client === undefined ? undefined : clientMetadata(client, this.#dependencies.signingAlgorithm);
  }

  /** Together with what it shows at the token endpoint: who it is comes out before that is looked at. */
  async #find(id: string): Promise<ShownClient | undefined> {
    const { flights } = this.#dependencies;
    const request = providerRequest()?.token;
    const key = request?.hasRead === false ? shownIn(Provider.ctx) : null;
    if (request === undefined || key === null) return await flights.findClient(id);
    const shown = { ...key, clientId: id };
    const together = await flights.findTogether(shown);
    request.readTogether(shown, together);
    return together.client;
  }
}

class ArtifactAdapter implements Adapter {
  readonly #model: string;
  readonly #dependencies: Dependencies;
  readonly findByUserCode = unsupported;

  constructor(model: string, dependencies: Dependencies) {
    this.#model = model;
    this.#dependencies = dependencies;
  }

  /**
   * 0. A directory's access token hangs on the secret it was had with. 1. What hangs on a grant takes organisation, account and epoch from it; 2. a grant, a session or an interaction of
   * somebody takes them from the browser session of this very request; 3. everything else belongs to nobody yet.
   */
  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const artifact = this.#artifact(id, payload, expiresIn);
    if (LEFT_BY_STRANGERS.has(this.#model)) await admitStranger(this.#dependencies, this.#model);
    if (this.#model === 'ReplayDetection') return await this.#insertOnce(artifact);
    if (this.#model === 'ClientCredentials') return await this.#insertMachineToken(artifact);
    const accountId = subjectOf(payload);
    if (accountId === null)
      return await this.#write(async (tx) => {
        await upsertArtifact(tx, artifact, null);
      });
    if (artifact.grantHash !== null) return await this.#upsertOfGrant(artifact, accountId);
    const owner = ownerOf(accountId);
    if (this.#model === 'Grant') return await this.#upsertGrant(artifact, owner);
    await this.#upsertOwned(artifact, owner);
  }

  /** Two tabs that come back from signing in renew their one session side by side: whoever is second goes on with it. */
  async #upsertOwned(artifact: NewArtifact, owner: ArtifactOwner): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#write(async (tx) => {
          if (attempt === 1) await upsertArtifact(tx, artifact, owner);
          else await replaceArtifactOfUid(tx, artifact, owner);
        });
        return;
      } catch (error) {
        if (!hasOtherOfUid(error) || attempt === MAX_RENEWALS) throw error;
      }
    }
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    // Of an assertion the insert is the check.
    if (this.#model === 'ReplayDetection' && providerRequest()?.isAssertion === true) return undefined;
    const now = this.#dependencies.clock.now();
    const found = await this.#find({ model: this.#model, idHash: secretHash(id), now });
    if (found === null) return undefined;
    // A provider session is the shadow of one browser session; with another one signed in, it is not found.
    const isOther = this.#model === 'Session' && found.browserSessionId !== (providerRequest()?.session?.id ?? null);
    if (isOther && found.browserSessionId !== null) return undefined;
    return { ...restored(found), jti: id };
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    const now = this.#dependencies.clock.now();
    const read = this.#model === 'Session' ? providerRequest()?.token?.takeSession(uid) : undefined;
    const found =
      read ?? (await this.#read(async (tx) => await findArtifactByUid(tx, { model: this.#model, uid, now })));
    return found === null ? undefined : restored(found);
  }

  /** What the token endpoint is asked for was read together with what it hangs on. */
  async #find(key: Parameters<typeof findArtifact>[1]): Promise<FoundArtifact | null> {
    const request = providerRequest()?.token;
    const shown = request?.takeArtifact(key);
    if (shown !== undefined) return shown;
    const read = this.#model === 'Grant' ? request?.takeGrant(key.idHash) : undefined;
    return read ?? (await this.#read(async (tx) => await findArtifact(tx, key)));
  }

  /** A second use ends the whole grant, also when both come at once (RFC 6749 §4.1.2, RFC 9700 §4.14.2). */
  async consume(id: string): Promise<void> {
    const idHash = secretHash(id);
    const at = this.#dependencies.clock.now();
    if (providerRequest()?.token?.useUp({ model: this.#model, idHash, at }) === true) return;
    const isFirst = await this.#writing(async (tx) => await consumeArtifact(tx, { model: this.#model, idHash, at }));
    if (!isFirst) await this.#refuseReuse(this.#model, idHash);
  }

  /**
   * What a request to the token endpoint has gathered.
   * @throws errors.InvalidGrant when somebody else has used it up meanwhile, or the grant is gone
   */
  async writeIssued(issued: Issued): Promise<void> {
    const { isUsedUp, count } = await this.#dependencies.flights.issue(issued);
    if (!isUsedUp) await this.#refuseReuse(issued.usedUp.model, issued.usedUp.idHash);
    if (count < issued.artifacts.length) throw new errors.InvalidGrant('the grant is gone');
  }

  async #refuseReuse(model: string, idHash: Buffer): Promise<never> {
    const grant = await this.#read(async (tx) => await findGrantOf(tx, model, idHash));
    if (grant !== null) await this.#revoke(grant.grantHash, 'reuse');
    throw new errors.InvalidGrant('already consumed');
  }

  async destroy(id: string): Promise<void> {
    if (this.#model === 'Grant') await this.#revoke(secretHash(id), Provider.ctx?.oidc.route ?? 'provider');
    else await this.#write(async (tx) => await deleteArtifact(tx, this.#model, secretHash(id)));
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#revoke(secretHash(grantId), Provider.ctx?.oidc.route ?? 'provider');
  }

  #artifact(id: string, payload: AdapterPayload, expiresIn: number | undefined): NewArtifact {
    const now = this.#dependencies.clock.now();
    // From a pushed request: what comes in an address is refused before (RFC 6749 App. A).
    if (NUL.test(JSON.stringify(payload))) throw new errors.InvalidRequest('a parameter contains U+0000');
    const isGrantChild = payload.grantId !== undefined && this.#model !== 'Interaction';
    return {
      model: this.#model,
      idHash: secretHash(id),
      clientId: payload.clientId ?? null,
      grantHash: isGrantChild ? secretHash(payload.grantId ?? '') : null,
      uid: this.#model === 'Session' ? (payload.uid ?? null) : null,
      payload: withoutSecrets(payload),
      createdAt: now,
      expiresAt: expiresIn === undefined ? null : new Date(now.getTime() + expiresIn * 1000),
    };
  }

  /**
   * The insert is the check: of two at once, one fails (RFC 9449 §11.1). The assertion of a service account is used up
   * together with the token it is for, in one statement; where none comes of it, at the end of the request.
   */
  async #insertOnce(artifact: NewArtifact): Promise<void> {
    const request = providerRequest();
    const isAssertion = request?.isAssertion === true;
    if (request !== undefined) request.isAssertion = false;
    if (request?.workload !== undefined && isAssertion && Provider.ctx?.oidc.route === 'token') {
      request.useUp = { artifact, now: async () => await this.#useUp(artifact) };
      return;
    }
    if (await this.#useUp(artifact)) return;
    if (isAssertion) throw new errors.InvalidClientAuth('the assertion was used before');
    throw new errors.InvalidRequest('the proof was used before');
  }

  async #useUp(artifact: NewArtifact): Promise<boolean> {
    return await this.#writing(async (tx) => await upsertArtifact(tx, artifact, null));
  }

  /** Bound to the secret it was asked for with; the insert checks once more that everything behind it stands. */
  async #insertScimAccessToken(artifact: NewArtifact): Promise<void> {
    const secret = providerRequest()?.secretHash;
    const isWritten =
      secret !== undefined && (await this.#dependencies.flights.issueToDirectory({ artifact, secretHash: secret }));
    if (!isWritten) throw new errors.InvalidClientAuth('the client may not have tokens (any more)');
  }

  async #insertMachineToken(artifact: NewArtifact): Promise<void> {
    if (artifact.clientId?.startsWith(WORKLOAD_PREFIX) !== true) return await this.#insertScimAccessToken(artifact);
    const { machines, flights } = this.#dependencies;
    const findAnew = async (id: string) => await machines.findAnew(id);
    await issueWorkloadToken({ write: flights.issueToWorkload, findAnew }, artifact);
  }

  async #upsertOfGrant(artifact: NewArtifact, accountId: string): Promise<void> {
    if (providerRequest()?.token?.issue(artifact, accountId) === true) return;
    const isWritten = await this.#writing(async (tx) => await upsertGrantArtifact(tx, artifact, accountId));
    if (!isWritten) throw new errors.InvalidGrant('the grant is gone');
  }

  async #upsertGrant(artifact: NewArtifact, owner: ArtifactOwner): Promise<void> {
    const { audit } = this.#dependencies;
    const actor = { type: 'user' as const, id: owner.accountId };
    await audit.mutate({ ...this.#auditContext(owner.orgId), actor }, async (tx) => {
      const isNew = await upsertArtifact(tx, artifact, owner);
      if (!isNew) return tx.unchanged();
      const after = { accountId: owner.accountId, clientId: artifact.clientId, sessionId: owner.browserSessionId };
      tx.record({ action: 'oauth-grant.created', target: grantTarget(artifact.idHash), after });
    });
  }

  async #revoke(grantHash: Buffer, reason: string): Promise<void> {
    const owner = await this.#read(async (tx) => await findGrantOwner(tx, grantHash));
    if (owner === null) return;
    await this.#dependencies.audit.mutate(this.#auditContext(owner.orgId), async (tx) => {
      const count = await deleteGrant(tx, grantHash);
      if (count === 0) return tx.unchanged();
      const before = { accountId: owner.accountId, clientId: owner.clientId, artifacts: count };
      tx.record({ action: 'oauth-grant.revoked', target: grantTarget(grantHash), before, reason });
    });
  }

  #auditContext(orgId: string): AuditContext {
    const origin = providerRequest()?.origin ?? { requestId: newId() };
    return { orgId, actor: { type: 'system', id: 'openid-provider' }, ...origin };
  }

  async #read<T>(work: (tx: ReadTx) => Promise<T>): Promise<T> {
    return await this.#dependencies.db.readOneAcrossOrganizations('a token names no organisation', work);
  }

  async #writing<T>(work: (tx: WriteTx) => Promise<T>): Promise<T> {
    return await this.#dependencies.db.unauditedWriteOne(ALL, WHY, work);
  }

  async #write(work: (tx: WriteTx) => Promise<void>): Promise<void> {
    await this.#writing(work);
  }
}

const grantTarget = (grantHash: Buffer): { type: string; id: string } => ({
  type: 'oauth_grant',
  id: grantHash.toString('hex'),
});

/** Whose artifact this is to be: its account, or who signs in through it. */
const subjectOf = (payload: AdapterPayload): string | null =>
  payload.accountId ?? payload.result?.login?.accountId ?? payload.session?.accountId ?? null;

/** @throws errors.SessionNotFound when this browser is not signed in as that account (any more) */
const ownerOf = (accountId: string): ArtifactOwner => {
  const session = providerRequest()?.session ?? null;
  if (session === null || session.accountId !== accountId) {
    throw new errors.SessionNotFound('the browser session has ended');
  }
  return { orgId: session.orgId, accountId, epoch: session.epoch, browserSessionId: session.id };
};

/** The identifier is a bearer secret in most models: only its hash is stored. */
const withoutSecrets = ({ jti: _jti, session, ...payload }: AdapterPayload): object => {
  if (session === undefined) return payload;
  const { cookie: _cookie, ...rest } = session;
  return { ...payload, session: rest };
};

const restored = ({ payload, consumedAt }: FoundArtifact): AdapterPayload => ({
  ...payload,
  ...(consumedAt === null ? {} : { consumed: Math.floor(consumedAt.getTime() / 1000) }),
});
