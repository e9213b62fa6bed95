import { AppError } from '@sallyport/errors';
import { newId } from '@sallyport/storage';
import { z } from 'zod';

import { createAccount } from '../accounts/index.ts';
import type { IdentityContext } from '../context.ts';
import { hashNewPassword, putPasswordHash } from '../local-login/index.ts';
import { insertHead } from '../subject-log/index.ts';
import { findFirstOwner, findOrganizationBySlug, insertOrganization, isSlugTaken } from './store.ts';

const inputSchema = z.object({
  slug: z.string().regex(/^[a-z0-9][a-z0-9-]{1,62}$/),
  displayName: z.string().trim().min(1).max(200),
  ownerEmail: z.email().max(254),
  ownerPassword: z.string(),
});

export type CreateOrganization = z.input<typeof inputSchema>;

export interface CreatedOrganization {
  readonly orgId: string;
  readonly ownerSubjectId: string;
  /** False when it was there already; nothing was changed then. */
  readonly created: boolean;
}

const parse = (input: CreateOrganization): z.output<typeof inputSchema> => {
  const parsed = inputSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new AppError('INVALID_REQUEST', 'The organisation cannot be created like this.', {
    fields: parsed.error.issues.map(({ path, code, message }) => ({
      pointer: `/${path.map(String).join('/')}`,
      code: code.toUpperCase(),
      detail: message,
    })),
  });
};

const findExisting = async ({ db }: IdentityContext, slug: string): Promise<CreatedOrganization | undefined> =>
  await db.readAcrossOrganizations('organisation by slug', async (tx) => {
    const organization = await findOrganizationBySlug(tx, slug);
    if (organization === undefined) return undefined;
    const owner = await findFirstOwner(tx, organization.orgId);
    if (owner === undefined) throw new AppError('INTERNAL', 'An organisation has no local Owner.');
    return { orgId: organization.orgId, ownerSubjectId: owner, created: false };
  });

/**
 * Creates an organisation with everything it needs from the first moment on: its audit log, its subject log and the
 * local Owner who gets in when no IdP does. Idempotent by slug: an organisation that is there is left as it is.
 *
 * @throws INVALID_REQUEST, INVALID_VALUE (the password), UNAVAILABLE
 */
export const createOrganization = async (
  context: IdentityContext,
  input: CreateOrganization,
  request: { readonly requestId: string; readonly operator: string },
): Promise<CreatedOrganization> => {
  const { slug, displayName, ownerEmail, ownerPassword } = parse(input);
  const existing = await findExisting(context, slug);
  if (existing !== undefined) return existing;
  const passwordHash = await hashNewPassword(context.passwordJudge, ownerPassword, [ownerEmail, slug, displayName]);
  const orgId = newId();
  const actor = { type: 'operator', id: request.operator } as const;
  try {
    const { value: ownerSubjectId } = await context.audit.mutate(
      { orgId, actor, requestId: request.requestId },
      async (tx) => {
        const at = context.clock.now();
        await insertOrganization(tx, { orgId, slug, displayName }, at);
        await context.audit.createOrganization(tx, orgId);
        await insertHead(tx, orgId);
        tx.record({
          action: 'organization.created',
          target: { type: 'organization', id: orgId },
          after: { slug, displayName },
        });
        const owner = await createAccount(tx, context, {
          kind: 'user',
          connectionId: null,
          externalId: null,
          userName: ownerEmail,
          profile: { emails: [{ value: ownerEmail, primary: true }] },
          breakGlass: true,
        });
        await putPasswordHash(tx, { orgId, accountId: owner.id, passwordHash, at });
        return owner.id;
      },
    );
    return { orgId, ownerSubjectId, created: true };
  } catch (error) {
    // Two operators at once: the second finds what the first has made.
    const made = isSlugTaken(error) ? await findExisting(context, slug) : undefined;
    if (made === undefined) throw error;
    return made;
  }
};
