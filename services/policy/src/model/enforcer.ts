/**
 * The only importer of casbin. The enforcer is the reference: tests and the live shadow compare the index with it, it
 * decides where the two differed, and it is what an exported policy is loaded into elsewhere.
 */
import { newEnforcer, newModelFromString, type Adapter, type Model } from 'casbin';

import { met } from '../conditions/index.ts';
import { feedLines } from './adapter.ts';
import { organizationLines, requestValues, roleLines, type Membership, type RequestTerms } from './lines.ts';
import { MODEL_TEXT } from './model.ts';
import type { RoleDefinition } from './roles.ts';
import type { OrganizationRows } from './rows.ts';

/** Decides by asking Casbin. */
export interface ReferenceEnforcer {
  /** 0.5 to 1 µs per grant of all organisations: for tests and comparisons. */
  allows(terms: RequestTerms): boolean;
}

export interface ReferencePolicy {
  readonly roles: readonly RoleDefinition[];
  readonly organizations: readonly { readonly rows: OrganizationRows; readonly memberships: readonly Membership[] }[];
}

const readOnlyAdapter = (policy: ReferencePolicy): Adapter => {
  const unsupported = async (): Promise<never> => await Promise.reject(new TypeError('the reference is read-only'));
  return {
    loadPolicy: async (model: Model) => {
      feedLines(roleLines(policy.roles), model);
      for (const { rows, memberships } of policy.organizations) feedLines(organizationLines(rows, memberships), model);
      return await Promise.resolve();
    },
    savePolicy: unsupported,
    addPolicy: unsupported,
    removePolicy: unsupported,
    removeFilteredPolicy: unsupported,
  };
};

/** A fresh Casbin enforcer over the built-in model and these rows. */
export const referenceEnforcer = async (policy: ReferencePolicy): Promise<ReferenceEnforcer> => {
  const enforcer = await newEnforcer(newModelFromString(MODEL_TEXT), readOnlyAdapter(policy));
  await enforcer.addFunction('met', met);
  return { allows: (terms) => enforcer.enforceSync(...requestValues(terms)) };
};
