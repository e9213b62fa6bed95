/**
 * Whose a mail domain is.
 *
 * Owns: the DNS proof of what connections claim, the daily look at it, that a domain is proven for one organisation
 * only, which domains are nobody's. Does not own: the list of domains of a connection and where people of one sign in
 * (login/).
 * @see RFC 1035 §3.3.14 (TXT), RFC 8552 (names with an underscore)
 */
export { challengeLookup, type ChallengeLookup } from './challenge.ts';
export { isPublicMailDomain } from './public-mail.ts';
export { startDomainChecks, recheckDomains } from './recheck.ts';
export { domainProofRoutes } from './routes.ts';
export { releaseDomains, takeDomain } from './store.ts';
