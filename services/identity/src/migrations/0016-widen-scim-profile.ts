import { sqlMigration } from '@sallyport/storage';

// The dialects a directory may be held to; what each accepts is data in scim/profiles/.
const PROFILES = `
  ALTER TABLE scim_facet DROP CONSTRAINT scim_facet_profile_check;
  ALTER TABLE scim_facet ADD CONSTRAINT scim_facet_profile_check CHECK (
    profile IN ('auto', 'okta-oin', 'okta-aiw', 'entra', 'entra-062020', 'interop-strict', 'rfc')
  );
`;

/** A connection may be held to one dialect instead of all documented ones. */
export const widenScimProfile = sqlMigration(16, 'widen-scim-profile', PROFILES);
