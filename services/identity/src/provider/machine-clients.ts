/**
 * Who machines are at the token endpoint. What a machine shows is looked for in what was read a moment ago before it is
 * read again. Nothing rests on that: the one statement that writes the token reads anew whether secret or key, account,
 * owner and connection stand.
 */
import type { Clock, Database } from '@sallyport/storage';
import { decodeProtectedHeader } from 'jose';
import { Provider, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider';

import { findScimClientAnywhere, SCIM_CLIENT_PREFIX } from '../connections/index.ts';
import { hashOfShown } from './request-session.ts';
import { findWorkloadClient, WORKLOAD_PREFIX } from '../workload/index.ts';
import { scimClientMetadata, workloadClientMetadata, type SigningAlgorithm } from './client.ts';

/** Of what is not checked anew, the life of a directory's tokens may be this old. */
const KEEP_MS = 10_000;
const MAX_KEPT = 1_000;

interface Machine {
  readonly metadata: AdapterPayload;
  /** Hashes of secrets, ids of keys: what it can show. */
  readonly proofs: ReadonlySet<string>;
}

interface Kept extends Machine {
  readonly untilMs: number;
}

export interface MachineClientDependencies {
  readonly db: Database;
  readonly clock: Clock;
  readonly signingAlgorithm: SigningAlgorithm;
}

export const isMachineId = (clientId: string): boolean =>
  clientId.startsWith(SCIM_CLIENT_PREFIX) || clientId.startsWith(WORKLOAD_PREFIX);

export class MachineClients {
  readonly #dependencies: MachineClientDependencies;
  readonly #kept = new Map<string, Kept>();

  constructor(dependencies: MachineClientDependencies) {
    this.#dependencies = dependencies;
  }

  /** The machine with this id; undefined when there is none, or nothing it could show is live. */
  async find(clientId: string): Promise<AdapterPayload | undefined> {
    const kept = this.#kept.get(clientId);
    const nowMs = this.#dependencies.clock.monotonicMs();
    if (kept !== undefined && nowMs < kept.untilMs && kept.proofs.has(proofOf(Provider.ctx) ?? ''))
      return kept.metadata;
    return await this.findAnew(clientId);
  }

  /** As the primary says at this moment. */
  async findAnew(clientId: string): Promise<AdapterPayload | undefined> {
    this.#kept.delete(clientId);
    const nowMs = this.#dependencies.clock.monotonicMs();
    const machine = await this.#read(clientId);
    if (machine === undefined) return undefined;
    const [oldest] = this.#kept.size < MAX_KEPT ? [] : this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(clientId, { ...machine, untilMs: nowMs + KEEP_MS });
    return machine.metadata;
  }

  async #read(id: string): Promise<Machine | undefined> {
    const { db, clock, signingAlgorithm } = this.#dependencies;
    return await db.readOneAcrossOrganizations('a client id names no organisation', async (tx) => {
      if (id.startsWith(WORKLOAD_PREFIX)) {
        const workload = await findWorkloadClient(tx, id, clock.now());
        if (workload === null) return undefined;
        const proofs = new Set(workload.keys.map(({ kid }) => kid));
        return { metadata: workloadClientMetadata(id, workload, signingAlgorithm), proofs };
      }
      const client = await findScimClientAnywhere(tx, id, clock.now());
      if (client === undefined) return undefined;
      const proofs = new Set(client.secretHashes.map((hash) => hash.toString('hex')));
      return { metadata: scimClientMetadata(client, signingAlgorithm), proofs };
    });
  }
}

/** What a request for a token shows; null for every other request: there nothing would read anew what was kept. */
const proofOf = (ctx: KoaContextWithOIDC | undefined): string | null => {
  const params = ctx?.oidc.params;
  if (ctx?.oidc.route !== 'token' || params?.['grant_type'] !== 'client_credentials') return null;
  const { client_assertion: assertion, client_secret: inForm } = params;
  try {
    if (typeof assertion === 'string') return decodeProtectedHeader(assertion).kid ?? null;
    const secret = typeof inForm === 'string' ? inForm : secretInHeader(ctx.get('authorization'));
    return secret === null ? null : hashOfShown(secret).toString('hex');
  } catch {
    return null; // The library says what is wrong with it.
  }
};

/** RFC 6749 §2.3.1 */
const secretInHeader = (authorization: string): string | null => {
  const [scheme = '', encoded = ''] = authorization.split(' ', 2);
  if (scheme.toLowerCase() !== 'basic') return null;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const at = pair.indexOf(':');
  return at < 0 ? null : decodeURIComponent(pair.slice(at + 1).replaceAll('+', '%20'));
};
