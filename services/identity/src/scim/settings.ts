import { setting } from '@sallyport/config';

/** What every tenant is promised, whatever the others do: a rate cannot be set below it. */
const GUARANTEED_PER_SECOND = 25;
const MILLION = 1_000_000;

/** Limits and traces of `/scim/v2`. All of them are per process: two replicas serve twice as much. */
export const scimSettings = {
  scimRate: setting.integer('SALLYPORT_SCIM_RATE', {
    default: 100,
    min: GUARANTEED_PER_SECOND,
    max: MILLION,
    doc: 'SCIM requests per second of one connection; more are answered 429 with Retry-After.',
  }),
  scimBurst: setting.integer('SALLYPORT_SCIM_BURST', {
    default: 200,
    min: GUARANTEED_PER_SECOND,
    max: MILLION,
    doc: 'SCIM requests of one connection that may come at once; a fifth of it is kept for PUT, PATCH and DELETE.',
  }),
  scimConcurrency: setting.integer('SALLYPORT_SCIM_CONCURRENCY', {
    default: 32,
    min: 2,
    max: 1_000,
    doc: 'SCIM requests served at the same time; organisations take turns, and one alone leaves a quarter free.',
  }),
  scimQueue: setting.integer('SALLYPORT_SCIM_QUEUE', {
    default: 256,
    min: 1,
    max: MILLION,
    doc: 'SCIM requests of one organisation that may wait for their turn; more are answered 429.',
  }),
  scimUnknownRate: setting.integer('SALLYPORT_SCIM_UNKNOWN_RATE', {
    default: 50,
    min: 1,
    max: MILLION,
    doc: 'Unknown SCIM credentials looked up per second and address; more attempts are answered 429.',
  }),
  scimTraces: setting.integer('SALLYPORT_SCIM_TRACES', {
    default: 500,
    min: 0,
    max: 10_000,
    doc: 'Requests kept of each connection, redacted, for its administrators; 0 keeps none.',
  }),
} as const;
