import { AppError } from '@sallyport/errors';
import { scimPatch, type ScimPatchOperation, type ScimResource } from 'scim-patch';

import type { Document, JsonValue } from './json.ts';
import type { Place } from './patch-step.ts';

/** `emails`, `name.givenName`, `urn:…:User:manager.value`: the library's spelling of a place. */
const pathOf = (place: Place, extensionIds: ReadonlySet<string>): string => {
  const [first, ...rest] = place;
  return extensionIds.has(first) ? `${first}:${rest.join('.')}` : place.join('.');
};

/**
 * Sets (or, with undefined, removes) one value of a document in place. The only caller of scim-patch: it gets
 * canonical names of our schema, no filter, no members, and one operation at a time.
 *
 * @throws INTERNAL when the library fails where it must not
 */
export const patchDocument = (
  document: Document,
  place: Place,
  value: JsonValue | undefined,
  extensionIds: ReadonlySet<string>,
): void => {
  const path = pathOf(place, extensionIds);
  const operation = (
    value === undefined ? { op: 'remove', path } : { op: 'replace', path, value }
  ) as ScimPatchOperation;
  try {
    scimPatch(document as unknown as ScimResource, [operation], { mutateDocument: true });
  } catch (cause) {
    throw new AppError('INTERNAL', 'A validated operation failed.', { cause });
  }
};
