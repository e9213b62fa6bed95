import type { AuditLog } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision } from '@sallyport/http';
import { type Clock, newId, newSecret, secretHash } from '@sallyport/storage';

import { type Caller, describeDecision } from '../edge/index.ts';
import type { Environment } from '../projects/index.ts';
import { type EnvironmentKey, KEY_PREFIX, type KeyKind } from './environment-key.ts';
import type { KeyRing } from './key-ring.ts';
import { insertKey, lockKey, revokeKey } from './store.ts';

export interface KeyDependencies {
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly keys: Pick<KeyRing, 'drop'>;
}

export interface CreatedKey {
  readonly key: EnvironmentKey;
  /** Shown this once; nothing can bring it back. */
  readonly secret: string;
}

/** Creates a key of one environment. */
export const createKey = async (
  { audit, clock }: KeyDependencies,
  caller: Caller,
  { environment, name, kind }: { readonly environment: Environment; readonly name: string; readonly kind: KeyKind },
  decision: GrantedDecision,
): Promise<CreatedKey> => {
  const { orgId, subjectId } = caller.subject;
  const { environmentId } = environment;
  const secret = newSecret(KEY_PREFIX[kind]);
  const created = { keyId: newId(), environmentId, kind, name, createdBy: subjectId, createdAt: clock.now() };
  await audit.mutate(caller.audit, async (tx) => {
    tx.fence(decision);
    await insertKey(tx, orgId, { ...created, secretHash: secretHash(secret) });
    tx.record({
      action: 'environment-key.created',
      target: { type: 'environment-key', id: created.keyId },
      environment: environment.key,
      after: { name, kind },
      decision: describeDecision(decision),
    });
  });
  return { key: { ...created, lastUsedAt: null, revokedAt: null }, secret };
};

/** Revokes a key: when this returns, this process refuses it, and the others within the second. Idempotent. */
export const removeKey = async (
  { audit, clock, keys }: KeyDependencies,
  caller: Caller,
  { environment, keyId }: { readonly environment: Environment; readonly keyId: string },
  decision: GrantedDecision,
): Promise<void> => {
  const { orgId, subjectId } = caller.subject;
  const { environmentId } = environment;
  await audit.mutate(caller.audit, async (tx) => {
    tx.fence(decision);
    const key = await lockKey(tx, orgId, { environmentId, keyId });
    if (key === undefined) throw new AppError('NOT_FOUND', 'There is no such key.');
    if (key.revokedAt !== null) {
      tx.unchanged();
      return;
    }
    const at = clock.now();
    await revokeKey(tx, orgId, { keyId, revokedBy: subjectId, at });
    const { name, kind } = key;
    tx.record({
      action: 'environment-key.revoked',
      target: { type: 'environment-key', id: keyId },
      environment: environment.key,
      before: { name, kind, revokedAt: null },
      after: { name, kind, revokedAt: at.toISOString() },
      decision: describeDecision(decision),
    });
  });
  keys.drop(keyId);
};
