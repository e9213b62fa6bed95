import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

import { verifyExport } from '@sallyport/cli/verify';
import { SERVICE_NAMES, waitFor } from '@sallyport/dev-env';
import { Decision } from '@sallyport/proto/policy/v1';

import type { Company } from './company.ts';

/** Everything of an organisation that must hold at rest, as queries for what breaks it. Parameter 1 is its id. */
const BROKEN_WHEN_FOUND: Readonly<Record<string, string>> = {
  'an account without the entry of its creation': `
    SELECT a.id FROM identity.account a WHERE a.org_id = $1 AND NOT a.break_glass AND NOT EXISTS (
      SELECT FROM identity.audit_entry e WHERE e.org_id = $1 AND e.action = 'account.created' AND e.target_id = a.id::text)`,
  'an entry of a creation without its account': `
    SELECT e.target_id FROM identity.audit_entry e WHERE e.org_id = $1 AND e.action = 'account.created'
       AND NOT EXISTS (SELECT FROM identity.account a WHERE a.org_id = $1 AND a.id::text = e.target_id)`,
  'an epoch that no entry raised, or an entry that raised none': `
    SELECT a.id, a.epoch FROM identity.account a WHERE a.org_id = $1 AND a.epoch <> 1 + (
      SELECT count(*) FROM identity.audit_entry e WHERE e.org_id = $1 AND e.target_id = a.id::text
         AND e.action IN ('account.deactivated', 'account.deleted', 'account.epoch-raised'))`,
  'a standing that the last entry about it does not tell': `
    SELECT a.id, a.status, last.action FROM identity.account a CROSS JOIN LATERAL (
        SELECT e.action FROM identity.audit_entry e WHERE e.org_id = $1 AND e.target_id = a.id::text
           AND e.action IN ('account.created', 'account.deactivated', 'account.reactivated') ORDER BY e.idx DESC LIMIT 1) last
     WHERE a.org_id = $1 AND a.status <> 'deleted' AND (a.status = 'active') = (last.action = 'account.deactivated')`,
  'a gap in the subject log, or a head elsewhere than its end': `
    SELECT h.position, l.entries, l.last FROM identity.subject_log_head h CROSS JOIN LATERAL (
        SELECT count(*) AS entries, coalesce(max(position), 0) AS last FROM identity.subject_log WHERE org_id = $1) l
     WHERE h.org_id = $1 AND (h.position <> l.entries OR h.position <> l.last)`,
  'an account that is not what the subject log last said of it': `
    SELECT a.id, said.state FROM identity.account a CROSS JOIN LATERAL (
        SELECT s AS state FROM identity.subject_log l, jsonb_array_elements(l.subjects) AS s
         WHERE l.org_id = $1 AND s ->> 'subjectId' = a.id::text ORDER BY l.position DESC LIMIT 1) said
     WHERE a.org_id = $1 AND ((said.state ->> 'active')::boolean <> (a.status = 'active')
        OR (said.state ->> 'epoch')::bigint <> a.epoch
        OR NOT said.state -> 'groupIds' <@ (SELECT coalesce(jsonb_agg(m.group_id), '[]') FROM identity.group_member m
                                             WHERE m.org_id = $1 AND m.account_id = a.id)
        OR NOT said.state -> 'groupIds' @> (SELECT coalesce(jsonb_agg(m.group_id), '[]') FROM identity.group_member m
                                             WHERE m.org_id = $1 AND m.account_id = a.id))`,
  // An entry that tells a state from before an entry in front of it: it was read too early.
  'an entry of the subject log that goes back in time': `
    SELECT * FROM (
      SELECT l.position, l.cause, s ->> 'subjectId' AS subject,
             s -> 'active' AS active, lag(s -> 'active') OVER said AS was_active,
             s -> 'groupIds' AS groups, lag(s -> 'groupIds') OVER said AS had_groups,
             (s ->> 'epoch')::bigint AS epoch, lag((s ->> 'epoch')::bigint) OVER said AS had_epoch
        FROM identity.subject_log l, jsonb_array_elements(l.subjects) AS s WHERE l.org_id = $1
      WINDOW said AS (PARTITION BY s ->> 'subjectId' ORDER BY l.position)) entry
     WHERE epoch < had_epoch OR (cause <> 'account.reactivated' AND active::boolean AND NOT was_active::boolean)
        OR (cause IN ('account.reactivated', 'account.deactivated') AND groups <> had_groups)`,
  'an account the subject log knows nothing of': `
    SELECT a.id FROM identity.account a WHERE a.org_id = $1 AND NOT EXISTS (
      SELECT FROM identity.subject_log l WHERE l.org_id = $1
         AND l.subjects @> jsonb_build_array(jsonb_build_object('subjectId', a.id)))`,
  'a grant without an entry, or an entry of a grant that is not there': `
    SELECT coalesce(g.grant_id::text, e.target_id) AS grant, e.entries
      FROM (SELECT grant_id FROM policy.role_grant WHERE org_id = $1) g
      FULL JOIN (SELECT target_id, sum(CASE WHEN action LIKE '%.created' THEN 1 ELSE -1 END) AS entries
                   FROM policy.audit_entry WHERE org_id = $1 AND outcome = 'success'
                    AND action IN ('grant.created', 'grant.deleted', 'group-mapping.created', 'group-mapping.deleted')
                  GROUP BY target_id) e ON e.target_id = g.grant_id::text
     WHERE coalesce(e.entries, 0) <> (CASE WHEN g.grant_id IS NULL THEN 0 ELSE 1 END)`,
  'versions of a flag with a gap, or a pointer that is not at their end': `
    SELECT f.key, f.current_version, v.versions FROM flags.flag f CROSS JOIN LATERAL (
        SELECT count(*) AS versions, max(version) AS last FROM flags.flag_version
         WHERE org_id = $1 AND flag_id = f.flag_id) v
     WHERE f.org_id = $1 AND (f.current_version <> v.versions OR f.current_version <> v.last)`,
  'a version of a flag that no entry tells of': `
    SELECT v.flag_id, v.version FROM flags.flag_version v WHERE v.org_id = $1 AND NOT EXISTS (
      SELECT FROM flags.audit_entry e WHERE e.org_id = $1 AND e.target_id = v.flag_id::text AND e.outcome = 'success'
         AND position(v.change_id::text IN convert_from(e.leaf, 'UTF8')) > 0)`,
  'a change that was written but not applied': `
    SELECT c.change_id FROM flags.change_request c WHERE c.org_id = $1 AND c.direct AND c.state <> 'applied'`,
};

/** @throws AssertionError that names every rule that is broken, and by what */
export const assertNothingHalf = async ({ database, orgId }: Company): Promise<void> => {
  const broken: Record<string, unknown> = {};
  for (const [rule, query] of Object.entries(BROKEN_WHEN_FOUND)) {
    const { rows } = await database.query<Record<string, unknown>>(query, [orgId]);
    if (rows.length > 0) broken[rule] = rows.slice(0, 3);
  }
  for (const schema of SERVICE_NAMES) {
    const { rows } = await database.query<Record<string, unknown>>(
      `SELECT h.size, count(e.idx) AS entries, max(e.idx) + 1 AS last FROM ${schema}.audit_head h
         LEFT JOIN ${schema}.audit_entry e USING (org_id)
        WHERE h.org_id = $1 GROUP BY h.size HAVING h.size <> count(e.idx) OR h.size <> max(e.idx) + 1`,
      [orgId],
    );
    if (rows.length > 0) broken[`the audit log of ${schema}`] = rows;
  }
  assert.deepEqual(broken, {});
};

/** Exports the audit log of every service and verifies it as an auditor would, offline. */
export const assertLogsVerify = async ({ constellation }: Company, token: string): Promise<void> => {
  for (const service of SERVICE_NAMES) {
    const response = await fetch(`${constellation.origin}/api/${service}/v1/audit/export`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(response.status, 200, service);
    const input = Readable.from(Buffer.from(await response.arrayBuffer()));
    const { finding, entries, first, last } = await verifyExport(createInterface({ input }));
    assert.equal(finding, undefined, `${service}: ${JSON.stringify(finding)}`);
    assert.deepEqual([first, last], ['0', String(entries - 1)], service);
  }
};

interface StandingRow {
  readonly id: string;
  readonly kind: 'user' | 'service_account';
  readonly active: boolean;
  readonly epoch: string;
  readonly groups: string[];
}

const byIdentity = `
  SELECT a.id::text AS id, a.kind, a.status = 'active' AS active, a.epoch,
         ARRAY(SELECT m.group_id::text FROM identity.group_member m
                WHERE m.org_id = a.org_id AND m.account_id = a.id ORDER BY 1) AS groups
    FROM identity.account a WHERE a.org_id = $1 ORDER BY a.id::text`;

const byPolicy = `
  SELECT s.subject_id AS id, s.subject_type AS kind, s.active, s.epoch,
         ARRAY(SELECT g FROM unnest(s.group_ids) AS g ORDER BY 1) AS groups
    FROM policy.standing_subject s WHERE s.org_id = $1 ORDER BY s.subject_id`;

const MAX_CHECKS = 50;

/**
 * Policy knows every subject as identity has it: what it has written down, and what it answers from memory. Waits until
 * it has caught up with the head of the subject log.
 */
export const assertPolicyKnowsAll = async (company: Company): Promise<void> => {
  const { database, orgId, policy } = company;
  const read = async (query: string): Promise<StandingRow[]> =>
    (await database.query<StandingRow>(query, [orgId])).rows;
  await waitFor(
    async () => {
      const { rows } = await database.query<{ level: boolean }>(
        `SELECT h.position = c.position AS level FROM identity.subject_log_head h
           JOIN policy.standing_cursor c USING (org_id) WHERE org_id = $1`,
        [orgId],
      );
      return rows[0]?.level;
    },
    { timeoutMs: 20_000, message: 'policy to catch up' },
  );
  const accounts = await read(byIdentity);
  assert.deepEqual(await read(byPolicy), accounts);
  for (let at = 0; at < accounts.length; at += MAX_CHECKS) {
    const page = accounts.slice(at, at + MAX_CHECKS);
    const checks = page.map(({ id, kind, epoch }) => ({
      orgId,
      subject: { type: kind, id, epoch: BigInt(epoch) },
      action: 'organization:read',
      resource: { type: 'organization', id: orgId, projectId: '', environmentId: '', properties: undefined },
      context: undefined,
      requestId: '',
    }));
    const { results } = await policy.unary('checkMany', { checks }, { deadlineMs: 10_000 });
    for (const [index, { reason, decision }] of results.entries()) {
      const account = page[index];
      assert.notEqual(decision, Decision.DECISION_UNSPECIFIED);
      assert.ok(!reason.endsWith('STALE') && reason !== 'SUBJECT_UNKNOWN', reason);
      assert.equal(reason === 'SUBJECT_REVOKED', account?.active === false, `${String(account?.id)}: ${reason}`);
    }
  }
};
