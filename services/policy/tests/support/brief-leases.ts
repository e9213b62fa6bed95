/** Settings for tests that wait for a lease to end. Elsewhere leases last so long that no busy machine ends one. */
export const BRIEF_LEASES = { SALLYPORT_LEASE_TTL: '600ms' } as const;
