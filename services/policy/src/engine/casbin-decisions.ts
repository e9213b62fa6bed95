import { attributesOf, type Actor, type Question, type Verdict } from '../decide/index.ts';
import {
  PERMISSION_NAMES,
  referenceEnforcer,
  type CompiledGrant,
  type OrganizationIndex,
  type ReferenceEnforcer,
  rowsOf,
  type RoleDefinition,
} from '../model/index.ts';
import { attributesText } from '../conditions/index.ts';

/** Casbin loaded with what can matter to one subject. */
interface Prepared {
  readonly groupIds: readonly string[];
  readonly enforcer: ReferenceEnforcer;
  readonly grants: readonly CompiledGrant[];
}

const MAX_SUBJECTS = 1_000;
const NO_GRANT: Verdict = Object.freeze({ kind: 'no-grant' });

const isSame = (left: readonly string[], right: readonly string[]): boolean =>
  left.length === right.length && left.every((each, at) => each === right[at]);

// A type has no space in it.
const keyOf = ({ type, id }: Actor): string => `${type} ${id}`;

/**
 * Casbin's answers on the rows behind an index. An enforcer takes in the lines of one subject and its groups (what
 * Casbin calls a filtered policy: the matcher lets no other line apply), found by going through all rows, not through
 * what the index made of them.
 */
export class CasbinDecisions {
  readonly #roles: readonly RoleDefinition[];
  readonly #prepared = new WeakMap<OrganizationIndex, Map<string, Prepared>>();

  constructor(roles: readonly RoleDefinition[]) {
    this.#roles = roles;
  }

  async prepare(index: OrganizationIndex, actor: Actor): Promise<void> {
    if (this.#find(index, actor) !== undefined) return;
    const grants = index.grants.filter(({ row }) =>
      row.subjectType === 'group'
        ? actor.groupIds.includes(row.subjectId)
        : row.subjectType === actor.type && row.subjectId === actor.id,
    );
    const rows = { ...rowsOf(index, this.#roles), grants: grants.map(({ row }) => row) };
    const memberships = [{ type: actor.type, subjectId: actor.id, groupIds: actor.groupIds }];
    const enforcer = await referenceEnforcer({ roles: this.#roles, organizations: [{ rows, memberships }] });
    let ofIndex = this.#prepared.get(index);
    if (ofIndex === undefined || ofIndex.size >= MAX_SUBJECTS)
      this.#prepared.set(index, (ofIndex = new Map<string, Prepared>()));
    ofIndex.set(keyOf(actor), { groupIds: actor.groupIds, enforcer, grants });
  }

  /** Null when the subject is not prepared, or is in other groups by now. Casbin does not say which grant decided. */
  verdict(index: OrganizationIndex, question: Question): Verdict | null {
    const prepared = this.#find(index, question.actor);
    if (prepared === undefined) return null;
    const { actor, permission, target, nowMs } = question;
    const isAllowed = prepared.enforcer.allows({
      orgId: index.orgId,
      subjectType: actor.type,
      subjectId: actor.id,
      action: PERMISSION_NAMES[permission] ?? '',
      ...target,
      nowMs,
      attributes: attributesText(attributesOf(question)),
    });
    return isAllowed ? { kind: 'allowed', grant: undefined, untilMs: surelyUntil(prepared.grants, nowMs) } : NO_GRANT;
  }

  #find(index: OrganizationIndex, actor: Actor): Prepared | undefined {
    const found = this.#prepared.get(index)?.get(keyOf(actor));
    return found !== undefined && isSame(found.groupIds, actor.groupIds) ? found : undefined;
  }
}

/** The next moment at which any of the grants begins, ends or may turn. */
const surelyUntil = (grants: readonly CompiledGrant[], nowMs: number): number =>
  grants
    .flatMap(({ row, condition }) => [row.validFromMs, row.validUntilMs, condition?.changesAt(nowMs) ?? null])
    .filter((each) => each !== null && each > nowMs)
    .reduce<number>((least, each) => Math.min(least, each ?? least), Number.POSITIVE_INFINITY);
