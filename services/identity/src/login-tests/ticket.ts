import { isAppError } from '@sallyport/errors';
import { isId } from '@sallyport/storage';
import { z } from 'zod';

import type { IdentityContext } from '../context.ts';

const PURPOSE = 'login-test';
/** How long the address of a test can be opened. */
export const TICKET_LIFE_MS = 5 * 60_000;

const ticketSchema = z.object({
  startedBy: z.string().refine(isId),
  protocol: z.enum(['saml', 'oidc']),
  expiresAtMs: z.int(),
});

/** Who tests what, until when. */
export type TestTicket = z.output<typeof ticketSchema>;

/** Seals a ticket for one connection: nobody reads, changes or makes one without our key. */
export const sealTicket = (
  { keyring }: Pick<IdentityContext, 'keyring'>,
  of: { readonly orgId: string; readonly connectionId: string },
  ticket: TestTicket,
): string =>
  keyring.seal(of.orgId, PURPOSE, of.connectionId, Buffer.from(JSON.stringify(ticket))).toString('base64url');

/** The ticket behind a sealed text; null when it is not one of this connection, or too old. */
export const openTicket = (
  { keyring, clock }: Pick<IdentityContext, 'keyring' | 'clock'>,
  of: { readonly orgId: string; readonly connectionId: string },
  sealed: string,
): TestTicket | null => {
  try {
    const opened = keyring.open(of.orgId, PURPOSE, of.connectionId, Buffer.from(sealed, 'base64url'));
    const ticket = ticketSchema.parse(JSON.parse(opened.toString('utf8')));
    return clock.now().getTime() < ticket.expiresAtMs ? ticket : null;
  } catch (error) {
    if (isAppError(error)) return null;
    throw error;
  }
};
