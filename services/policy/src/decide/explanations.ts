/** What an answer says about itself: a reason for programs, a sentence for people. */
import { propertiesOf as conditionProperties, type Condition } from '../conditions/index.ts';
import {
  PERMISSION_NAMES,
  PLACES,
  placeNumber,
  type GrantRow,
  type OrganizationIndex,
  type Place,
  type RoleDefinition,
} from '../model/index.ts';
import { REASONS, type Reason } from './decision.ts';
import type { Verdict } from './evaluate.ts';

const PLACE_NAMES: Readonly<Record<Place, string>> = {
  organization: 'the organisation',
  project: 'the project',
  'non-production': 'a non-production environment',
  production: 'a production environment',
};

export interface Answer {
  /** Where it allows. */
  readonly place?: Place;
  readonly reason: Reason;
  readonly explanation: string;
  readonly verdict: Verdict | undefined;
}

const plain = (reason: Reason): Answer => ({ reason, explanation: REASONS[reason], verdict: undefined });
/** One for every reason that needs no words of its own. */
export const PLAIN = Object.fromEntries(
  (Object.keys(REASONS) as Reason[]).map((reason) => [reason, plain(reason)]),
) as Readonly<Record<Reason, Answer>>;

export const grantOf = (verdict: Verdict | undefined): GrantRow | undefined =>
  verdict === undefined || verdict.kind === 'no-grant' ? undefined : verdict.grant?.row;

const roleOf = (verdict: Verdict, { roles }: OrganizationIndex): RoleDefinition | undefined => {
  const key = grantOf(verdict)?.roleKey;
  return key === undefined ? undefined : roles.get(key);
};

const roleName = (verdict: Verdict, index: OrganizationIndex): string =>
  roleOf(verdict, index)?.name ?? grantOf(verdict)?.roleKey ?? 'A role';

/** Which properties it looks at: names only, what they are compared with is the administrators'. */
const propertiesOf = (condition: Condition | undefined): string =>
  condition === undefined ? '' : conditionProperties(condition).join(', ');

/** By place and number of the permission. */
type Sentences = Readonly<Record<Place, readonly string[]>>;

const sentences = (say: (what: string) => string): Sentences => {
  const at = (place: Place): readonly string[] =>
    PERMISSION_NAMES.map((name) => say(`${name} in ${PLACE_NAMES[place]}`));
  return {
    organization: at('organization'),
    project: at('project'),
    'non-production': at('non-production'),
    production: at('production'),
  };
};

// What is said again and again is one string, not made for each answer, and known again where it is written down.
const WHAT = sentences((what) => what);
const FORBIDDEN = sentences((what) => `A rule forbids ${what}, whatever other roles permit.`);
const NOT_PERMITTED = sentences((what) => `No role you hold here permits ${what}.`);

/** What was said of a role so far. */
const permitting = new WeakMap<RoleDefinition, (string | undefined)[]>();

const sayPermits = (role: RoleDefinition, permission: number, place: Place): string => {
  let said = permitting.get(role);
  if (said === undefined) permitting.set(role, (said = []));
  const at = permission * PLACES.length + placeNumber(place);
  return (said[at] ??= `${role.name} permits ${WHAT[place][permission] ?? ''}.`);
};

const allowed = (index: OrganizationIndex, verdict: Verdict, permission: number, place: Place): Answer => {
  const role = roleOf(verdict, index);
  const explanation =
    role === undefined
      ? `${roleName(verdict, index)} permits ${WHAT[place][permission] ?? ''}.`
      : sayPermits(role, permission, place);
  return { reason: 'GRANTED', explanation, verdict, place };
};

/** The answer that a verdict of the index makes. */
export const explain = (index: OrganizationIndex, verdict: Verdict, permission: number, place: Place): Answer => {
  const what = WHAT[place][permission] ?? '';
  switch (verdict.kind) {
    case 'allowed':
      return allowed(index, verdict, permission, place);
    case 'denied':
      return { reason: 'EXPLICIT_DENY', explanation: FORBIDDEN[place][permission] ?? '', verdict };
    case 'too-early':
      return {
        reason: 'GRANT_NOT_YET_VALID',
        explanation: `${roleName(verdict, index)} permits ${what}, but not yet.`,
        verdict,
      };
    case 'too-late':
      return {
        reason: 'GRANT_EXPIRED',
        explanation: `${roleName(verdict, index)} permitted ${what} until it ended.`,
        verdict,
      };
    case 'condition-unmet': {
      const properties = propertiesOf(verdict.grant.row.condition);
      return {
        reason: 'CONDITION_NOT_MET',
        explanation: `${roleName(verdict, index)} permits ${what}, but only on a condition (${properties}).`,
        verdict,
      };
    }
    case 'no-grant':
      break;
  }
  return { reason: 'NO_GRANT', explanation: NOT_PERMITTED[place][permission] ?? '', verdict };
};
