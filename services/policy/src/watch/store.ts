import type { ReadTx } from '@sallyport/storage';

/** A grant that changed at a revision; everything but its id is null when it is gone by now. */
export interface ChangedGrant {
  readonly grantId: string;
  readonly subjectType: string | null;
  readonly subjectId: string | null;
  readonly roleKey: string | null;
  readonly projectId: string | null;
  readonly environmentId: string | null;
}

/** What one revision changed. */
export interface ChangedAt {
  readonly revision: bigint;
  readonly grants: readonly ChangedGrant[];
  /** Something besides grants: roles, scopes, rules. What exactly is not told. */
  readonly everything: boolean;
}

/** Revisions surely kept behind the newest one; the log is pruned beyond a thousand. */
export const MAX_BEHIND = 900n;

interface ChangeRow {
  readonly revision: string;
  readonly isRole: boolean;
  readonly grants: readonly ChangedGrant[];
}

/**
 * Every revision after `after` up to `until`, each once and in order; null when the log does not reach back so far. A
 * revision the log says nothing about changed something that is no grant.
 */
export const readChangesBetween = async (
  tx: ReadTx,
  orgId: string,
  { after, until }: { readonly after: bigint; readonly until: bigint },
): Promise<readonly ChangedAt[] | null> => {
  const rows = await tx.query<ChangeRow>(
    `SELECT n.revision::text,
            EXISTS (SELECT FROM role_change r WHERE r.org_id = $1 AND r.revision = n.revision) AS "isRole",
            (SELECT coalesce(json_agg(json_build_object('grantId', c.grant_id, 'subjectType', g.subject_type,
                'subjectId', g.subject_id, 'roleKey', g.role_key, 'projectId', g.project_id,
                'environmentId', g.environment_id) ORDER BY c.grant_id), '[]')
               FROM grant_change c LEFT JOIN role_grant g ON g.org_id = c.org_id AND g.grant_id = c.grant_id
              WHERE c.org_id = $1 AND c.revision = n.revision) AS grants
       FROM grants_head h CROSS JOIN generate_series($2::bigint + 1, $3::bigint) AS n (revision)
      WHERE h.org_id = $1 AND h.revision - $2::bigint <= $4::bigint
      ORDER BY n.revision`,
    [orgId, after.toString(), until.toString(), MAX_BEHIND.toString()],
  );
  if (BigInt(rows.length) !== until - after) return null;
  return rows.map(({ revision, isRole, grants }) => ({
    revision: BigInt(revision),
    grants,
    everything: isRole || grants.length === 0,
  }));
};
