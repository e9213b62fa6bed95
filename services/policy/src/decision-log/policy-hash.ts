import { createHash } from 'node:crypto';

import { BUILT_IN_ROLES, MODEL_TEXT, PERMISSIONS, type OrganizationIndex } from '../model/index.ts';

const HASH_CHARS = 32;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** What permissions and the built-in roles mean in this version of the service. */
const MEANING = sha256(JSON.stringify([MODEL_TEXT, PERMISSIONS, BUILT_IN_ROLES]));

const known = new WeakMap<OrganizationIndex, string>();

/**
 * Names what decided: the model, the catalogue and the built-in roles of this version of the service, and the revision of
 * the organisation's rows, of which there is one state each. Two decisions with the same hash were made from the same
 * policy. 32 hexadecimal digits of a SHA-256.
 */
export const policyHash = (index: OrganizationIndex): string => {
  const found = known.get(index);
  if (found !== undefined) return found;
  const { orgId, revision, engine } = index;
  const hash = sha256(JSON.stringify([MEANING, orgId, String(revision), engine])).slice(0, HASH_CHARS);
  known.set(index, hash);
  return hash;
};
