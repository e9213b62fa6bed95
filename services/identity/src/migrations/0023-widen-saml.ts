import { orgTable, sqlMigration } from '@sallyport/storage';

// Where logouts go, and where the metadata comes from: with a URL it is read again, and what a failed read says of the
// IdP never replaces what works.
const FACET = `
  ALTER TABLE saml_facet
    ADD COLUMN slo_url text,
    ADD COLUMN slo_binding text CHECK (slo_binding IN ('redirect', 'post')),
    ADD COLUMN slo_response_url text,
    ADD COLUMN metadata_url text,
    ADD COLUMN metadata_pins text[] NOT NULL DEFAULT '{}',
    ADD COLUMN metadata_valid_until timestamptz,
    ADD COLUMN metadata_read_at timestamptz,
    ADD COLUMN metadata_due_at timestamptz,
    ADD COLUMN metadata_problem text,
    ADD CONSTRAINT saml_facet_slo CHECK ((slo_url IS NULL) = (slo_binding IS NULL)),
    ADD CONSTRAINT saml_facet_due CHECK ((metadata_url IS NULL) = (metadata_due_at IS NULL));
  CREATE INDEX saml_facet_metadata_due ON saml_facet (metadata_due_at) WHERE metadata_due_at IS NOT NULL;
`;

// A logout we asked an IdP for. The session has ended already; the answer is only told to whoever waits for it.
const LOGOUT = `
  CREATE TABLE pending_logout (
    org_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    request_key text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    PRIMARY KEY (org_id, connection_id, request_key),
    FOREIGN KEY (org_id, connection_id) REFERENCES connection (org_id, id)
  );
  CREATE INDEX pending_logout_expiry ON pending_logout (expires_at);
  ${orgTable('identity', 'pending_logout')}
`;

/** Single logout, and metadata by URL. */
export const widenSaml = sqlMigration(23, 'widen-saml', [FACET, LOGOUT]);
