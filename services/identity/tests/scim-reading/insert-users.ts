import { newId } from '@sallyport/storage';

import type { Directory } from '../support/http.ts';
import type { TestIdentity } from '../support/identity.ts';

/** Many users of a directory at once, written as the service would write them; their ids in order. */
export const insertUsers = async (
  identity: TestIdentity,
  { orgId, connectionId }: Directory,
  count: number,
): Promise<string[]> => {
  const ids = Array.from({ length: count }, () => newId()).toSorted();
  await identity.admin(
    `INSERT INTO identity.account (org_id, id, kind, status, connection_id, user_name, user_name_key, display_name,
       display_name_key, profile, search_document, created_at, updated_at)
     SELECT $1, id, 'user', 'active', $2, 'u-' || id, 'u-' || id, 'Name', 'name', profile, profile, now(), now()
       FROM unnest($3::uuid[]) AS id, jsonb_build_object('nickName', 'nick ' || id) AS profile`,
    [orgId, connectionId, ids],
  );
  return ids;
};
