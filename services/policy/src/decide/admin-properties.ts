import type { GivenProperties } from '../conditions/index.ts';

/** What conditions may know of somebody who uses our own API. */
export interface Caller {
  readonly credentialType: string;
  readonly acr?: string;
  readonly amr?: readonly string[];
}

/** How the caller signed in and from where, under the names docs/policy.md gives them. */
export const adminProperties = ({ credentialType, acr, amr }: Caller, ip: string | undefined): GivenProperties => ({
  subject: {
    credentialType,
    ...(acr === undefined ? {} : { acr }),
    ...(amr === undefined ? {} : { amr }),
  },
  context: ip === undefined ? {} : { ip },
});
