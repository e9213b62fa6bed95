import assert from 'node:assert/strict';

import type { AuditContext } from '@sallyport/audit';
import { isAppError } from '@sallyport/errors';
import { newId, type Tx, type WriteTx } from '@sallyport/storage';

import { closeAccess, createAccount, holdAccess } from '../src/accounts/index.ts';
import { newOrganization, startIdentity, type TestIdentity, type TestOrganization } from './support/identity.ts';

const VALID_FOR_MS = 20_000;

describe('what somebody who is allowed to is about to commit here', () => {
  let identity: TestIdentity;
  let organization: TestOrganization;
  let audit: AuditContext;
  before(async () => {
    identity = await startIdentity();
    organization = await newOrganization(identity);
    audit = { orgId: organization.orgId, actor: { type: 'system', id: 'test' }, requestId: 'hold' };
  });
  after(() => identity.close());

  const hire = async (): Promise<string> => {
    const { value } = await identity.context.audit.mutate(audit, (tx) =>
      createAccount(tx, identity.context, {
        kind: 'user',
        connectionId: null,
        externalId: null,
        userName: `${newId()}@example.com`,
        profile: {},
      }),
    );
    return value.id;
  };

  const close = async (id: string): Promise<void> => {
    await identity.context.audit.mutate(audit, (tx) =>
      closeAccess(tx, identity.context, { accountIds: [id], by: 'directory', cause: 'test.closed' }),
    );
  };

  /** A transaction on the authority of the account, as a decision of policy fences it. */
  const commit = async (subjectId: string, epoch: bigint, work: (tx: WriteTx) => Promise<void>): Promise<void> => {
    const { db, clock } = identity.context;
    await db.unauditedWrite(organization.orgId, 'test', async (tx) => {
      const hold = (held: Tx): ReturnType<typeof holdAccess> =>
        holdAccess(held, { orgId: organization.orgId, subjectId, epoch });
      tx.fence({ decidedAtMonotonicMs: clock.monotonicMs(), validForMs: VALID_FOR_MS, hold });
      await work(tx);
    });
  };

  const isRefused = async (attempt: Promise<void>): Promise<void> => {
    await assert.rejects(attempt, (error) => isAppError(error) && error.code === 'DECISION_EXPIRED');
  };
  const nothing = (): Promise<void> => Promise.resolve();

  it('commits while their access stands', async () => {
    await commit(await hire(), 1n, nothing);
  });

  it('is refused once their access has ended, however fresh the decision', async () => {
    const id = await hire();
    await isRefused(commit(id, 1n, () => close(id)));
  });

  it('is refused for a credential of an older epoch', async () => {
    await isRefused(commit(await hire(), 2n, nothing));
  });

  it('is refused at once, not kept waiting, while their access is being ended', async () => {
    const id = await hire();
    const { db } = identity.context;
    await db.unauditedWrite(organization.orgId, 'test', async (tx) => {
      await tx.query('UPDATE account SET updated_at = updated_at WHERE org_id = $1 AND id = $2', [
        organization.orgId,
        id,
      ]);
      await isRefused(commit(id, 1n, nothing));
    });
  });

  it('may be the end of their own access', async () => {
    const id = await hire();
    const { audit: log, clock } = identity.context;
    await log.mutate(audit, async (tx) => {
      const actor = { orgId: organization.orgId, subjectId: id, epoch: 1n };
      tx.fence({
        decidedAtMonotonicMs: clock.monotonicMs(),
        validForMs: VALID_FOR_MS,
        hold: (held) => holdAccess(held, actor),
      });
      await closeAccess(tx, identity.context, { accountIds: [id], by: 'directory', cause: 'test.closed' });
    });
    const [row] = await identity.admin('SELECT status FROM identity.account WHERE id = $1', [id]);
    assert.deepEqual(row, { status: 'inactive' });
  });
});
