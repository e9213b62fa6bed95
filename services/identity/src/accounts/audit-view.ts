import { personal, type JsonObject, type Personal } from '@sallyport/audit';

import type { Account } from './account.ts';

/** Every attribute of a person is personal: its commitment goes into the log, the value is sealed beside it. */
const attributesOf = (account: Account): Map<string, Personal> => {
  const values = new Map<string, unknown>([
    ['userName', account.userName],
    ...(account.externalId === null ? [] : ([['externalId', account.externalId]] as const)),
    ...Object.entries(account.profile),
  ]);
  return new Map(
    [...values].map(([name, value]) => [
      name,
      personal(account.id, typeof value === 'string' ? value : JSON.stringify(value)),
    ]),
  );
};

/** All attributes, for an entry about a new account. */
export const auditAttributes = (account: Account): JsonObject => Object.fromEntries(attributesOf(account));

/** The attributes that differ, before and after; absent ones are unassigned. */
export const auditAttributeChange = (
  before: Account,
  after: Account,
): { readonly before: JsonObject; readonly after: JsonObject } => {
  const [old, next] = [attributesOf(before), attributesOf(after)];
  const changed = [...new Set([...old.keys(), ...next.keys()])].filter(
    (name) => old.get(name)?.value !== next.get(name)?.value,
  );
  const pick = (from: Map<string, Personal>): JsonObject =>
    Object.fromEntries(changed.flatMap((name) => (from.has(name) ? [[name, from.get(name)]] : [])));
  return { before: pick(old), after: pick(next) };
};
