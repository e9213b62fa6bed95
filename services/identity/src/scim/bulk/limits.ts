const MIB = 1024 * 1024;

/** What one Bulk request may carry; `/ServiceProviderConfig` says so, and above either it is 413 (RFC 7644 §3.7.4). */
export const MAX_BULK_OPERATIONS = 100;
export const MAX_BULK_BYTES = 1 * MIB;
