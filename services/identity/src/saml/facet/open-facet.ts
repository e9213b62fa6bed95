import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { findLoginConnection } from '../../login/index.ts';
import { findSamlFacet, type SamlFacet } from './facet-store.ts';

/** The facet of an enabled connection; null for everything else. */
export const findOpenFacet = async ({ db }: IdentityContext, connectionId: string): Promise<SamlFacet | null> => {
  if (!z.uuid().safeParse(connectionId).success) return null;
  return await db.readAcrossOrganizations('a sign-in address names a connection only', async (tx) => {
    const connection = await findLoginConnection(tx, connectionId);
    return connection?.enabled === true ? await findSamlFacet(tx, connection.orgId, connection.id) : null;
  });
};
