import { sqlMigration } from '@sallyport/storage';

// What a connection demands of a sign-in at its identity provider.
const OIDC = `
  ALTER TABLE oidc_facet ADD COLUMN max_age_seconds integer CHECK (max_age_seconds >= 0);
  ALTER TABLE oidc_facet ADD COLUMN acr_values text[] NOT NULL DEFAULT '{}';
  CREATE INDEX browser_session_idp_session ON browser_session (org_id, connection_id, idp_session)
    WHERE ended_at IS NULL AND idp_session IS NOT NULL;
`;

/** OpenID Connect: how recent and how strong a sign-in has to be; sessions by the identity provider's session. */
export const widenOidc = sqlMigration(29, 'widen-oidc', OIDC);
