import { orgTable, sqlMigration } from '@sallyport/storage';

// What a DNS record has to say for a claim to count, and how the last looks at it went. The challenge is public.
const CLAIM = `
  ALTER TABLE connection_domain
    ADD COLUMN challenge uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN checked_at timestamptz,
    ADD COLUMN problem text CHECK (problem IN ('ABSENT', 'DIFFERENT', 'UNREACHABLE')),
    ADD COLUMN failing_since timestamptz,
    ADD COLUMN warned_at timestamptz;
  CREATE INDEX connection_domain_check ON connection_domain (checked_at) WHERE verified_by = 'dns';
`;

// The organisation a domain is proven for: one, whoever else claims it. The domain alone is unique, because that is the
// promise; an organisation sees its own rows only, and learns of others by not getting one.
const OWNER = `
  CREATE TABLE domain_owner (
    org_id uuid NOT NULL REFERENCES organization (org_id),
    domain text NOT NULL UNIQUE CHECK (domain = lower(domain) AND domain <> ''),
    since timestamptz NOT NULL,
    PRIMARY KEY (org_id, domain)
  );
  ${orgTable('identity', 'domain_owner', { privileges: ['SELECT', 'INSERT', 'DELETE'] })}
  SET LOCAL sallyport.all_orgs = 'on';
  INSERT INTO domain_owner (domain, org_id, since)
    SELECT DISTINCT ON (domain) domain, org_id, verified_at FROM connection_domain
     WHERE verified_at IS NOT NULL ORDER BY domain, verified_at;
  UPDATE connection_domain d SET verified_at = NULL, verified_by = NULL
   WHERE verified_at IS NOT NULL
     AND NOT EXISTS (SELECT FROM domain_owner o WHERE o.domain = d.domain AND o.org_id = d.org_id);
  SET LOCAL sallyport.all_orgs = 'off';
`;

/** Domains are proven by DNS, for one organisation at a time. */
export const proveDomains = sqlMigration(33, 'prove-domains', [CLAIM, OWNER]);
