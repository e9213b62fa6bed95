/**
 * Exchange traces: what a directory sent last, and what we did about it.
 *
 * Owns: redaction, the bounded queue to the database, the ring per connection and its API. Does not own: the requests
 * (scim/), the audit log, whose entries a trace names. Loss: what a process that dies has in its queue (at most 250 ms
 * of requests); nothing is lost by one that is stopped.
 */
export { noteChange, noticing, withDraft, withoutDraft, type ExchangeDraft } from './draft.ts';
export type { ExchangeChange } from './exchange.ts';
export { ExchangeLog } from './exchange-log.ts';
export { draftOf, watchExchange } from './observe.ts';
export { exchangeRoutes } from './routes.ts';
