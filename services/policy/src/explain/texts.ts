import { canonicalText, type Condition } from '../conditions/index.ts';
import { REASONS, type Decision } from '../decide/index.ts';
import type { Cause, GrantPath } from './explanation.ts';
import type { SufficientRole } from './nearest-miss.ts';

interface Told {
  readonly decision: Decision;
  readonly cause: Cause;
  readonly grant: GrantPath | null;
  readonly unmet: readonly Condition[];
  readonly sufficientRoles: readonly SufficientRole[];
}

const scopeText = ({ level, projectId, environmentId }: Pick<GrantPath, 'level' | 'projectId' | 'environmentId'>) =>
  level === 'organization' ? 'the organisation' : `${level} ${(level === 'project' ? projectId : environmentId) ?? ''}`;

const timeText = ({ validFromMs, validUntilMs }: GrantPath): string => {
  const from = validFromMs === null ? '' : ` from ${new Date(validFromMs).toISOString()}`;
  return validUntilMs === null ? from : `${from} until ${new Date(validUntilMs).toISOString()}`;
};

/** "Grant 1 gives viewer to group 2, which the subject is in, at project 3 (production) until …" */
const grantText = (grant: GrantPath): string => {
  const { grantId, effect, role, heldBy, tier, resourceType } = grant;
  const verb = effect === 'allow' ? 'gives' : 'denies';
  const whom =
    heldBy.type === 'group' ? `group ${heldBy.id}, which the subject is in,` : `the subject (${heldBy.type})`;
  const narrowing = [tier, resourceType].filter((each) => each !== null).join(', ');
  return `Grant ${grantId} ${verb} ${role} to ${whom} at ${scopeText(grant)}${narrowing === '' ? '' : ` (${narrowing})`}${timeText(grant)}`;
};

const BUT: Readonly<Partial<Record<Cause, string>>> = {
  GRANT_EXPIRED: ': its time is over',
  GRANT_NOT_YET_VALID: ': its time has not come',
  CONDITION_NOT_MET: ': its condition is not met',
  WRONG_TIER: ': the role permits this in environments of another kind, or at another level',
  WRONG_TYPE: ': it is narrowed to another type of resource',
  WRONG_SCOPE: ': it does not reach here',
};

const rolesText = (roles: readonly SufficientRole[]): string =>
  roles.length === 0 ? '' : ` Would do: ${roles.map((role) => `${role.role} at ${scopeText(role)}`).join('; ')}.`;

/** With ids, for who may see grants. */
export const adminTextOf = ({ decision, cause, grant, unmet, sufficientRoles }: Told): string => {
  const first = grant === null ? decision.explanation : `${grantText(grant)}${BUT[cause] ?? ''}.`;
  const expected = unmet.length === 0 ? '' : ` Not met: ${unmet.map(canonicalText).join('; ')}.`;
  return `${first}${expected}${rolesText(sufficientRoles)}`;
};

const SUBJECT_TEXTS: Readonly<Partial<Record<Cause, string>>> = {
  WRONG_TIER: 'A role you hold permits this, but not in an environment of this kind.',
  WRONG_TYPE: 'A role you hold would permit this, but it was given for another type of resource.',
  WRONG_SCOPE: 'A role you hold permits this elsewhere, but not here.',
};

/** Without ids: how somebody holds a role is theirs to know, who else holds it is not. */
export const subjectTextOf = ({ decision, cause, grant }: Told): string => {
  const text = SUBJECT_TEXTS[cause] ?? (decision.explanation === '' ? REASONS[decision.reason] : decision.explanation);
  if (grant === null || cause === 'EXPLICIT_DENY') return text;
  const through = grant.heldBy.type === 'group' ? ' You hold it through a group.' : '';
  const until =
    grant.validUntilMs === null || !decision.allowed
      ? ''
      : ` It ends at ${new Date(grant.validUntilMs).toISOString()}.`;
  return `${text}${through}${until}`;
};
