import type { AppError } from '@sallyport/errors';
import type { Scope } from '@sallyport/http';

import type { Content } from '../approvals/index.ts';
import type { Holder } from '../grants/index.ts';
import type { OrganizationIndex } from '../model/index.ts';
import type { Reach } from '../protections/index.ts';

/** The policy a person is judged by. */
export interface Judging {
  readonly before: OrganizationIndex;
  readonly nowMs: number;
}

export interface Plan {
  readonly permission: string;
  readonly scope: Scope;
  readonly reach: Reach;
  /** What it changes, as it is now; part of the hash. */
  readonly base: Content;
  /** Why this person may not make the change. */
  refuse(judging: Judging, actor: Holder): AppError | null;
}
