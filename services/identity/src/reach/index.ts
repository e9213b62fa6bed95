/**
 * How far administering accounts reaches: nobody gets, or gives, more than they hold by way of an account (promise 6).
 * `account:manage` opens and closes accounts; it does not lend what they may do.
 *
 * Owns: who may take a credential of a service account in hand, hand one over, set up an application that acts for
 * people, or loosen what protects an Owner. Does not own: grants and their rules (policy), who is in which group (groups), whether the caller may call at all.
 */
export {
  assertMayActForAll,
  assertMayHold,
  assertMayLoosen,
  assertNotWider,
  askReach,
  recordingEscalation,
  type Reach,
} from './reach.ts';
