import { randomBytes } from 'node:crypto';

import { newId, secretHash } from '@sallyport/storage';

import type { IdentityContext } from '../context.ts';
import { insertPendingLogin, type Browser, type LoginStart } from '../login/index.ts';
import type { MessageFacet } from './facet/facet-store.ts';
import { loginRequestUrl } from './login-request.ts';
import { MAX_ISSUE_AGE_MS } from './verify/login.ts';

/** How long a login may take at the IdP. */
export const PENDING_MS = MAX_ISSUE_AGE_MS;

export interface SamlStart extends LoginStart {
  readonly facet: MessageFacet;
  readonly browser: Browser;
}

/** Remembers a login for this browser and answers the address of the IdP it is to go to. */
export const startSamlLogin = async (context: IdentityContext, start: SamlStart): Promise<string> => {
  const { facet, browser, returnTo, replaces, purpose, startedBy } = start;
  const requestId = `_${randomBytes(20).toString('hex')}`;
  // Opaque, 43 characters (Bindings §3.4.3 allows 80 bytes). Where to go afterwards stays with us.
  const relayState = randomBytes(32).toString('base64url');
  const now = context.clock.now();
  await context.db.unauditedWrite(facet.orgId, 'a login under way; its outcome is audited', async (tx) => {
    await insertPendingLogin(tx, {
      orgId: facet.orgId,
      id: newId(),
      connectionId: facet.connectionId,
      protocol: 'saml',
      requestKey: requestId,
      relayStateHash: secretHash(relayState),
      browserHash: browser.hash,
      returnTo,
      replaces,
      purpose,
      startedBy,
      createdAt: now,
      expiresAt: new Date(now.getTime() + PENDING_MS),
    });
  });
  return loginRequestUrl(context.samlServiceProvider, facet, {
    id: requestId,
    relayState,
    forceAuthn: purpose === 'step-up',
  });
};
