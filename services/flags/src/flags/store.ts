import type { ReadTx } from '@sallyport/storage';

import type { FlagConfiguration, FlagDefinition, FlagType } from './definition.ts';
import type { Flag } from './flag.ts';

interface FlagRow {
  readonly flag_id: string;
  readonly key: string;
  readonly type: FlagType;
  readonly current_version: number;
  readonly definition: FlagDefinition;
  readonly created_at: Date;
  readonly environments: readonly {
    readonly environmentId: string;
    readonly version: number;
    readonly configuration: FlagConfiguration;
  }[];
}

const FLAG = `
  SELECT f.flag_id, f.key, f.type, f.current_version, v.definition, f.created_at,
         coalesce((SELECT jsonb_agg(jsonb_build_object('environmentId', fe.environment_id,
                                                       'version', fe.current_version, 'configuration', c.configuration))
                     FROM flag_environment fe
                     JOIN flag_environment_version c
                       ON c.org_id = fe.org_id AND c.flag_id = fe.flag_id AND c.environment_id = fe.environment_id
                      AND c.version = fe.current_version
                    WHERE fe.org_id = f.org_id AND fe.flag_id = f.flag_id AND NOT fe.removed), '[]') AS environments
    FROM flag f
    JOIN flag_version v ON v.org_id = f.org_id AND v.flag_id = f.flag_id AND v.version = f.current_version`;

const toFlag = (row: FlagRow): Flag => ({
  flagId: row.flag_id,
  key: row.key,
  type: row.type,
  version: row.current_version,
  definition: row.definition,
  environments: new Map(
    row.environments.map(({ environmentId, version, configuration }) => [environmentId, { version, configuration }]),
  ),
  createdAt: row.created_at,
});

/** The flags with these keys, as they stand; keys nobody has are left out. One statement, so one moment. */
export const findFlags = async (
  tx: ReadTx,
  orgId: string,
  projectId: string,
  keys: readonly string[],
): Promise<ReadonlyMap<string, Flag>> => {
  const rows = await tx.query<FlagRow>(
    `${FLAG} WHERE f.org_id = $1 AND f.project_id = $2 AND f.deleted_at IS NULL AND f.key = ANY ($3)`,
    [orgId, projectId, keys],
  );
  return new Map(rows.map((row) => [row.key, toFlag(row)]));
};

/** Flags in the order of their keys, after one of them. */
export const listFlags = async (
  tx: ReadTx,
  orgId: string,
  projectId: string,
  page: { readonly after: string; readonly limit: number },
): Promise<Flag[]> => {
  const rows = await tx.query<FlagRow>(
    `${FLAG} WHERE f.org_id = $1 AND f.project_id = $2 AND f.deleted_at IS NULL AND f.key > $3
      ORDER BY f.key LIMIT $4`,
    [orgId, projectId, page.after, page.limit],
  );
  return rows.map(toFlag);
};
