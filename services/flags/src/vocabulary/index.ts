/**
 * The words the other slices share: which names are allowed, and the one byte form of a JSON value.
 *
 * Depends on nothing but the schema library; owns no table, no route.
 */
export { attributeSchema, keySchema, nameSchema } from './names.ts';
export { canonicalJson, canonicalSizeBytes, type JsonObject, type JsonValue, sha256Hex } from './json.ts';
