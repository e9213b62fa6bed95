import { orgTable, sqlMigration } from '@sallyport/storage';

// A person answers for a service account. One of before has nobody until it is given somebody; what it holds goes on until
// then, and it gets nothing new.
const OWNER = `
  ALTER TABLE account
    ADD COLUMN owner_id uuid,
    ADD CONSTRAINT account_owner_fkey FOREIGN KEY (org_id, owner_id) REFERENCES account (org_id, id),
    ADD CONSTRAINT account_owner_of_machine CHECK (owner_id IS NULL OR kind = 'service_account');
  CREATE INDEX account_owned ON account (org_id, owner_id) WHERE owner_id IS NOT NULL;
`;

// Everybody who can have a credential of a machine in their hands: who issued it, and who has owned the account while it
// lived. What is done with it, they do not approve.
const SPONSORS = `
  ALTER TABLE api_token ADD COLUMN sponsor_ids uuid[] NOT NULL DEFAULT '{}';
  SET LOCAL sallyport.all_orgs = 'on';
  UPDATE api_token t SET sponsor_ids = ARRAY[t.created_by] FROM account a
   WHERE a.org_id = t.org_id AND a.id = t.account_id AND a.kind = 'service_account';
  SET LOCAL sallyport.all_orgs = 'off';
`;

// Public keys a service account shows who it is with. A token of the OpenID Provider remembers the key it was had with:
// it ends with that key.
const KEY = `
  CREATE TABLE workload_key (
    org_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    account_id uuid NOT NULL,
    kid text NOT NULL,
    jwk jsonb NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    sponsor_ids uuid[] NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, account_id, kid),
    FOREIGN KEY (org_id, account_id) REFERENCES account (org_id, id)
  );
  ${orgTable('identity', 'workload_key', { privileges: ['SELECT', 'INSERT', 'UPDATE'] })}

  ALTER TABLE provider_artifact ADD COLUMN workload_key_id uuid REFERENCES workload_key (id);
  CREATE INDEX provider_artifact_workload_key ON provider_artifact (workload_key_id) WHERE workload_key_id IS NOT NULL;
`;

/** Owners of service accounts, and the keys service accounts authenticate with. */
export const createWorkloadIdentity = sqlMigration(31, 'create-workload-identity', [OWNER, SPONSORS, KEY]);
