import { statement, type ReadTx } from '@sallyport/storage';

import { emailsOf, type Profile } from '../accounts/index.ts';

/** What we tell applications about somebody. */
export interface SubjectClaims {
  readonly orgId: string;
  readonly accountId: string;
  readonly userName: string;
  readonly displayName: string;
  readonly email: string | null;
}

/** An active account by its id alone; ids are unique over all organisations. */
export const findSubject = async (tx: ReadTx, accountId: string): Promise<SubjectClaims | null> => {
  const [row] = await tx.query<{ org_id: string; user_name: string; display_name: string; profile: Profile }>(
    statement(`SELECT org_id, user_name, display_name, profile FROM account WHERE id = $1 AND status = 'active'`),
    [accountId],
  );
  if (row === undefined) return null;
  return {
    orgId: row.org_id,
    accountId,
    userName: row.user_name,
    displayName: row.display_name,
    email: emailsOf(row.profile)[0] ?? null,
  };
};
