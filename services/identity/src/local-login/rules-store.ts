import type { WriteTx } from '@sallyport/storage';

/** What an organisation asks of its local accounts. */
export interface LocalRules {
  /** False: only the break-glass Owner signs in locally. */
  readonly localAccountsEnabled: boolean;
  /** A local login without a second factor leads to enrolling one. */
  readonly secondFactorRequired: boolean;
}

/**
 * Reads the rules and holds them: they do not change before the transaction ends (`held`), or nobody else reads them to
 * sign in before the caller has changed them (`changing`).
 */
export const readLocalRules = async (
  tx: WriteTx,
  orgId: string,
  hold: 'held' | 'changing' = 'held',
): Promise<LocalRules> => {
  const [row] = await tx.query<{ local_accounts_enabled: boolean; second_factor_required: boolean }>(
    `SELECT local_accounts_enabled, second_factor_required FROM organization WHERE org_id = $1
      ${hold === 'held' ? 'FOR SHARE' : 'FOR NO KEY UPDATE'}`,
    [orgId],
  );
  return {
    localAccountsEnabled: row?.local_accounts_enabled ?? false,
    secondFactorRequired: row?.second_factor_required ?? true,
  };
};

export const writeLocalRules = async (tx: WriteTx, orgId: string, rules: LocalRules): Promise<void> => {
  await tx.query('UPDATE organization SET local_accounts_enabled = $2, second_factor_required = $3 WHERE org_id = $1', [
    orgId,
    rules.localAccountsEnabled,
    rules.secondFactorRequired,
  ]);
};
