import type { JsonValue } from '@sallyport/audit';

import type { ScimCredentialClass } from '../../connections/index.ts';

/** One change a request made: an entry of the audit log. */
export interface ExchangeChange {
  /** Of the entry in the organisation's audit log. */
  readonly index: string;
  readonly action: string;
  readonly targetType: string;
  readonly targetId: string;
}

/** One request of a directory and what became of it, redacted. */
export interface Exchange {
  readonly orgId: string;
  readonly connectionId: string;
  readonly id: string;
  readonly at: Date;
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** The id in the path, or that of the resource a POST made. */
  readonly resourceId: string | null;
  /** The dialect the connection was held to; null when that was not looked at. */
  readonly profile: string | null;
  readonly credentialClass: ScimCredentialClass;
  readonly credentialId: string;
  readonly ip: string;
  readonly userAgent: string | null;
  readonly body: JsonValue | null;
  /** 499: the client left before it was answered. */
  readonly status: number;
  readonly scimType: string | null;
  readonly detail: string | null;
  readonly durationMs: number;
  readonly changes: readonly ExchangeChange[];
}
