import { AppError } from '@sallyport/errors';

import type { ResourceDefinition } from './attribute.ts';
import { isArray, isObject, sameJson, type Document, type JsonValue } from './json.ts';
import { changeList } from './list.ts';
import type { PatchStep, Place } from './normalise-patch.ts';
import { requireAttributes } from './resource.ts';
import { patchDocument } from './scim-patch.ts';

type DocumentStep = Exclude<PatchStep, { kind: 'members' }>;

const valueAt = (document: Document, place: Place): JsonValue | undefined => {
  let value: JsonValue | undefined = document;
  for (const key of place) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
};

const target = (step: DocumentStep, document: Document): { place: Place; value: JsonValue | undefined } => {
  if (step.kind === 'set') return step;
  if (step.kind === 'unset') return { place: step.place, value: undefined };
  const current = document[step.attribute.name];
  const next = changeList(step.attribute, isArray(current) ? current : [], step.change);
  return { place: [step.attribute.name], value: next.length === 0 ? undefined : next };
};

/** An object without parts is unassigned (RFC 7643 §2.5). */
const withoutEmpty = (document: Document): Document =>
  Object.fromEntries(
    Object.entries(document)
      .map(([key, value]): [string, JsonValue] => [key, isObject(value) ? withoutEmpty({ ...value }) : value])
      .filter(([, value]) => !isObject(value) || Object.keys(value).length > 0),
  );

/**
 * The document after the steps, applied in order to a deep copy; the input is left as it is, so a step that fails
 * leaves nothing behind. After each step its effect is looked up in the result.
 *
 * @throws NO_TARGET, INVALID_VALUE, TOO_MANY as the steps demand; INTERNAL when a step had not exactly its effect
 * @see RFC 7644 §3.5.2
 */
export const applyPatch = (
  resource: ResourceDefinition,
  before: Document,
  steps: readonly DocumentStep[],
): Document => {
  const extensionIds = new Set(resource.extensions.map(({ id }) => id));
  const document = structuredClone(before);
  for (const step of steps) {
    const { place, value } = target(step, document);
    patchDocument(document, place, value, extensionIds);
    if (!sameJson(valueAt(document, place), value))
      throw new AppError('INTERNAL', `The change of ${place.join('.')} did not take effect.`);
  }
  const after = withoutEmpty(document);
  requireAttributes(resource, after);
  return after;
};
