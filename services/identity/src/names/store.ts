import { statement, type ReadTx } from '@sallyport/storage';

/** What people read instead of an id. */
export interface Name {
  readonly id: string;
  readonly type: 'user' | 'service_account' | 'group';
  /** An account's user name, a group's display name. */
  readonly name: string;
  /** What an account is called besides; null where it is called nothing, and for groups. */
  readonly displayName: string | null;
}

/** Of those of these ids that are the organisation's, removed accounts included; in no order. */
export const namesOfIds = async (tx: ReadTx, orgId: string, ids: readonly string[]): Promise<Name[]> =>
  await tx.query<Name>(
    statement(`SELECT id, kind AS type, user_name AS name, nullif(display_name, '') AS "displayName" FROM account
                WHERE org_id = $1 AND id = ANY ($2)
                UNION ALL
               SELECT id, 'group', display_name, NULL FROM directory_group WHERE org_id = $1 AND id = ANY ($2)`),
    [orgId, ids],
  );
