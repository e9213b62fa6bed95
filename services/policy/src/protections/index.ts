/**
 * Four eyes on roles: scopes in which nobody gives or takes roles alone.
 *
 * Owns: which scopes those are, and refusing what was not agreed to. Does not own: how people agree, and changing a
 * protection (proposals/). What the service does by itself (roles of people who were removed, what a review leaves
 * unanswered) is never held up.
 */
export { NOTHING_BUT_RULES, ORGANIZATION_REACH, reachesInto, type Protection, type Reach } from './protection.ts';
export { approvalsRequired, refuseUnproposed } from './refuse-unproposed.ts';
export { findProtection, findProtectionAt, insertProtection, listProtections, updateProtection } from './store.ts';
