/** Settings for tests that are not about leases: no busy machine ends one. */
export const LASTING = { SALLYPORT_LEASE_TTL: '5s' } as const;
