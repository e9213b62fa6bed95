import type { AuditContext } from '@sallyport/audit';
import { AppError } from '@sallyport/errors';
import type { GrantedDecision, Principal } from '@sallyport/http';

import type { IdentityContext } from '../context.ts';
import type { SessionSettings, StepUpSettings } from './settings.ts';
import { applyLimits, lockSettings, updateSettings } from './settings-store.ts';
import { isMultiFactorSession } from './store.ts';

/** What changes; what is left out stays. */
export interface SettingsChange {
  readonly idleMinutes?: number | undefined;
  readonly absoluteMinutes?: number | undefined;
  readonly stepUp?: { readonly [Name in keyof StepUpSettings]?: StepUpSettings[Name] | undefined } | undefined;
}

const given = <T extends object>(before: T, change: { readonly [Name in keyof T]?: T[Name] | undefined }): T => ({
  ...before,
  ...Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)),
});

const changed = (before: SessionSettings, { stepUp = {}, ...limits }: SettingsChange): SessionSettings => {
  const after = { ...given(before, limits), stepUp: given(before.stepUp, stepUp) };
  return { ...after, stepUp: { ...after.stepUp, actions: [...new Set(after.stepUp.actions)].sort() } };
};

const recorded = ({ stepUp, ...limits }: SessionSettings) => ({
  ...limits,
  stepUpActions: stepUp.actions,
  stepUpMinutes: stepUp.minutes,
  stepUpMultiFactor: stepUp.multiFactor,
  stepUpTokensAllowed: stepUp.tokensAllowed,
});

/**
 * Changes what an organisation asks of sessions. Open sessions come under new limits in the same transaction.
 *
 * @throws INVALID_VALUE when the idle limit is longer than the absolute one; CONFLICT when more than one factor is to be
 *   demanded by somebody who is not signed in with more than one: they would shut themselves out
 */
export const changeSettings = async (
  context: IdentityContext,
  who: { readonly audit: AuditContext; readonly decision: GrantedDecision | null; readonly principal: Principal },
  change: SettingsChange,
): Promise<SessionSettings> => {
  const { value } = await context.audit.mutate(who.audit, async (tx) => {
    if (who.decision !== null) tx.fence(who.decision);
    const before = await lockSettings(tx, tx.orgId);
    if (before === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    const after = changed(before, change);
    if (after.idleMinutes > after.absoluteMinutes) {
      const detail = 'A session cannot be idle for longer than it may last.';
      throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/idleMinutes', code: 'range' }] });
    }
    const demandsMore = after.stepUp.multiFactor && !before.stepUp.multiFactor;
    if (demandsMore && !(await isMultiFactorSession(tx, tx.orgId, who.principal.credentialId)))
      throw new AppError('CONFLICT', 'Sign in with more than one factor yourself before you demand it.');
    if (JSON.stringify(before) === JSON.stringify(after)) {
      tx.unchanged();
      return after;
    }
    await updateSettings(tx, tx.orgId, after);
    const { orgId } = tx;
    const now = context.clock.now();
    const idleMinutes = Math.min(before.idleMinutes, after.idleMinutes);
    const ended = await applyLimits(tx, { orgId, idleMinutes, absoluteMinutes: after.absoluteMinutes, now });
    tx.record({
      action: 'organization.session-settings-changed',
      target: { type: 'organization', id: orgId },
      before: recorded(before),
      after: { ...recorded(after), sessionsEnded: ended },
    });
    return after;
  });
  return value;
};
