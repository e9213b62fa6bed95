import { z } from 'zod';

import type { Decision } from '../decide/index.ts';

/** Why, for who asks (§5.5.1): names roles and tiers to the user, grants to the administrator. */
const reasonsShape = z.object({
  reason: z.string(),
  reason_user: z.object({ en: z.string() }),
  reason_admin: z.object({ en: z.string() }),
  matched_grant: z.string().optional(),
  matched_role: z.string().optional(),
  policy_revision: z.string(),
  valid_for_ms: z.number(),
});

/** What is wrong with one item of a batch (§7.2.1). */
const errorShape = z.object({ error: z.object({ status: z.number(), message: z.string() }) });

/** A decision (§5.5). */
export const answerShape = z.object({ decision: z.boolean(), context: z.union([reasonsShape, errorShape]).optional() });

export type AuthzenAnswer = z.input<typeof answerShape>;

const describe = (decision: Decision): z.input<typeof reasonsShape> => {
  const { reason, explanation, matchedGrant, matchedRole, policyRevision } = decision;
  const by = matchedGrant === null ? '' : ` by grant ${matchedGrant} of role ${matchedRole ?? ''}`;
  return {
    reason,
    reason_user: { en: explanation },
    reason_admin: { en: `${reason}${by} at ${policyRevision}` },
    // What has no value is left out (§11.6).
    ...(matchedGrant === null ? {} : { matched_grant: matchedGrant }),
    ...(matchedRole === null ? {} : { matched_role: matchedRole }),
    policy_revision: policyRevision,
    valid_for_ms: decision.validForMs,
  };
};

/** The bare decision, unless reasons were asked for: strict clients compare bodies exactly. */
export const toAnswer = (decision: Decision, wantsReasons: boolean): AuthzenAnswer => ({
  decision: decision.allowed,
  ...(wantsReasons ? { context: describe(decision) } : {}),
});

/** The answer to an item that cannot be read as an evaluation: closed, with what is wrong. */
export const toItemError = (message: string): AuthzenAnswer => ({
  decision: false,
  context: { error: { status: 400, message } },
});
