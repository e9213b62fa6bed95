import { sqlMigration } from '@sallyport/storage';

// A grant may be narrowed to a tier, to what acts on one type of resource, and to a condition. Absent: not narrowed, as
// every grant was before. The condition is checked by the service; the database bounds it and keeps it an object.
// The same role may now be held here twice, on different conditions: what makes two grants the same follows.
export const narrowGrants = sqlMigration(5, 'narrow-grants', [
  `ALTER TABLE role_grant
     ADD COLUMN tier text CHECK (tier IN ('non-production', 'production')),
     ADD COLUMN resource_type text CHECK (resource_type <> ''),
     ADD COLUMN condition jsonb CHECK (jsonb_typeof(condition) = 'object' AND octet_length(condition::text) <= 32768);`,
  'ALTER TABLE role_grant DROP CONSTRAINT role_grant_given_once;',
  // The condition by its digest, as an index row has no room for the whole; two that collide would only be refused.
  `CREATE UNIQUE INDEX role_grant_given_once ON role_grant
     (org_id, subject_type, subject_id, role_key, project_id, environment_id, effect, tier, resource_type,
      md5(condition::text)) NULLS NOT DISTINCT;`,
]);
