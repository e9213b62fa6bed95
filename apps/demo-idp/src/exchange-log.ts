import type { Clock } from './clock.ts';

/** One thing this identity provider did, with what was sent and answered. */
export interface LogEntry {
  /** Strictly rising from 1 within one run of the program. */
  readonly seq: number;
  readonly at: string;
  readonly kind: 'scim' | 'saml' | 'oidc' | 'directory';
  readonly summary: string;
  readonly method: string | null;
  readonly path: string | null;
  /** Secrets are replaced before an entry is made. */
  readonly requestHeaders: Readonly<Record<string, string>> | null;
  readonly requestBody: unknown;
  readonly status: number | null;
  readonly responseBody: string | null;
  readonly ms: number | null;
  /** 1 for a first try, more for retries of the same request. */
  readonly attempt: number;
  readonly error: string | null;
}

export type NewLogEntry = Pick<LogEntry, 'kind' | 'summary'> & Partial<Omit<LogEntry, 'seq' | 'at'>>;

/** The newest 1,000 entries, in memory. */
export interface ExchangeLog {
  add(entry: NewLogEntry): LogEntry;
  /** Entries with a higher number, oldest first. */
  after(seq: number): readonly LogEntry[];
}

const CAPACITY = 1000;
const MAX_RESPONSE_CHARACTERS = 64 * 1024;

/** An empty log. */
export function createExchangeLog(clock: Clock): ExchangeLog {
  let entries: LogEntry[] = [];
  let seq = 0;
  return {
    add(entry) {
      seq += 1;
      const complete: LogEntry = {
        method: null,
        path: null,
        requestHeaders: null,
        requestBody: null,
        status: null,
        ms: null,
        attempt: 1,
        error: null,
        ...entry,
        responseBody: entry.responseBody?.slice(0, MAX_RESPONSE_CHARACTERS) ?? null,
        seq,
        at: clock.now().toISOString(),
      };
      entries = [...entries.slice(1 - CAPACITY), complete];
      return complete;
    },
    after: (after) => entries.filter((entry) => entry.seq > after),
  };
}
