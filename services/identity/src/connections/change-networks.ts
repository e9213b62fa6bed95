import { AppError } from '@sallyport/errors';

import type { IdentityContext } from '../context.ts';
import type { Authorized } from './change-connection.ts';
import { lockConnection, setAllowedNetworks } from './store.ts';

/**
 * Sets the networks requests of the directory may come from; an empty list allows every address. In force with the
 * next request.
 *
 * @throws NOT_FOUND; CONFLICT when the connection has no SCIM facet
 */
export const changeAllowedNetworks = async (
  { audit, clock }: IdentityContext,
  who: Authorized,
  input: { readonly connectionId: string; readonly allowedNetworks: readonly string[] },
): Promise<readonly string[]> => {
  const allowedNetworks = [...new Set(input.allowedNetworks)];
  await audit.mutate(who.audit, async (tx) => {
    if (who.decision !== null) tx.fence(who.decision);
    const connection = await lockConnection(tx, who.audit.orgId, input.connectionId);
    if (connection === undefined) throw new AppError('NOT_FOUND', 'There is no such connection.');
    if (connection.scim === null) throw new AppError('CONFLICT', 'The connection has no directory.');
    const before = connection.scim.allowedNetworks;
    if (before.join() === allowedNetworks.join()) {
      tx.unchanged();
      return;
    }
    await setAllowedNetworks(tx, connection, { allowedNetworks, at: clock.now() });
    tx.record({
      action: 'connection.networks-set',
      target: { type: 'connection', id: connection.id, version: (connection.version + 1n).toString() },
      before: { allowedNetworks: [...before] },
      after: { allowedNetworks },
    });
  });
  return allowedNetworks;
};
