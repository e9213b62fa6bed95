import { z } from 'zod';

/**
 * How a login of a connection finds its account.
 *
 * `source`: what the IdP says that identifies: the subject itself (NameID, `sub`), or a named attribute or claim that
 * is immutable there (Okta `userId`, Entra `objectidentifier`/`oid`). `targets`: what it is compared with, among the
 * accounts of this connection only, in this order. Used where the directory (SCIM) provisions people; without a
 * directory people are known by the subject of their first login.
 */
export const accountRuleSchema = z.object({
  source: z.union([z.literal('subject'), z.object({ attribute: z.string().min(1).max(256) })]).default('subject'),
  targets: z
    .array(z.enum(['externalId', 'userName']))
    .min(1)
    .max(2)
    .default(['externalId', 'userName']),
  /** Whether a first login may create an account, in a proven domain; never while the directory is on. */
  createOnFirstLogin: z.boolean().default(false),
  /** Values of the IdP's `acr`, `amr` or AuthnContextClassRef that are believed to mean more than one factor. */
  multiFactor: z.array(z.string().min(1).max(256)).max(20).default([]),
  /** Where names come from when an account is created. */
  emailAttribute: z.string().min(1).max(256).default('email'),
  displayNameAttribute: z.string().min(1).max(256).default('displayName'),
  /** Names the groups of the connection somebody is in, at every login; null: logins say nothing about groups. */
  groupsAttribute: z.string().min(1).max(256).nullable().default(null),
});

/** See {@link accountRuleSchema}. */
export type AccountRule = z.output<typeof accountRuleSchema>;
