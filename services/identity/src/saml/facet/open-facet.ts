import { z } from 'zod';

import type { IdentityContext } from '../../context.ts';
import { findOpenSamlFacet, type MessageFacet } from './facet-store.ts';

/** The facet of an enabled connection; null for everything else. */
export const findOpenFacet = async ({ db }: IdentityContext, connectionId: string): Promise<MessageFacet | null> => {
  if (!z.uuid().safeParse(connectionId).success) return null;
  return await db.readOneAcrossOrganizations(
    'a sign-in address names a connection only',
    async (tx) => await findOpenSamlFacet(tx, connectionId),
  );
};
