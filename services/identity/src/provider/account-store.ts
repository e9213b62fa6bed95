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

/** The columns of an account that say it. */
export interface SubjectRow {
  readonly org_id: string;
  readonly account_id: string;
  readonly user_name: string;
  readonly display_name: string;
  readonly profile: Profile;
}

export const toSubject = (row: SubjectRow): SubjectClaims => ({
  orgId: row.org_id,
  accountId: row.account_id,
  userName: row.user_name,
  displayName: row.display_name,
  email: emailsOf(row.profile)[0] ?? null,
});

/** An active account by its id alone; ids are unique over all organisations. */
export const findSubject = async (tx: ReadTx, accountId: string): Promise<SubjectClaims | null> => {
  const [row] = await tx.query<SubjectRow>(
    statement(
      `SELECT org_id, id AS account_id, user_name, display_name, profile FROM account WHERE id = $1 AND status = 'active'`,
    ),
    [accountId],
  );
  return row === undefined ? null : toSubject(row);
};
