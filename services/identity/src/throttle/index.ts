/**
 * Attempts, counted in the database before they are made, so that any number of replicas count together.
 *
 * Owns: the counters and their windows. Does not own: what is attempted. Counters of one way to sign in say nothing
 * about another: nobody is kept from single sign-on by guesses at a password (OWASP ASVS 5.0 §6.3.1).
 */
export { addressKey } from './address-key.ts';
export { withoutGuessing } from './failure-limiter.ts';
export {
  countedAttempt,
  domainCheckRules,
  metadataReadingRules,
  factorRules,
  federatedRules,
  passkeyRules,
  passwordRules,
  resetRules,
  startRules,
  strangerRules,
  type Attempt,
  type ThrottleRule,
} from './throttle.ts';
