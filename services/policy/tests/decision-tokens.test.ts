import assert from 'node:assert/strict';

import pg from 'pg';

import { codeOf, deskForEachTest } from './support/grant-desk.ts';
import type { Answer } from './support/world.ts';

const PATH = '/api/policy/v1/decision-tokens';

describe('decision tokens', () => {
  const desk = deskForEachTest();

  const issue = async (): Promise<Answer> => await desk().post(desk().org.ownerToken, { name: 'one more' }, PATH);

  it('of an organisation are so many and no more; what expired long ago does not count', async () => {
    const admin = new pg.Client({ connectionString: desk().world.database.adminUrl });
    await admin.connect();
    const { orgId } = desk().org;
    try {
      await admin.query(
        `INSERT INTO policy.decision_token (org_id, token_id, name, token_hash, expires_at, created_at, created_by)
         SELECT $1::uuid, gen_random_uuid(), 'filler', sha256(($1 || n::text)::bytea),
                CASE WHEN n > 999 THEN now() - interval '2 days' END, now(), ''
           FROM generate_series(1, 1100) AS n`,
        [orgId],
      );
      assert.equal((await issue()).status, 201);
      assert.equal(desk().world.context.knowledge.snapshot.tokens.size, 1_000);
      const refused = await issue();
      assert.deepEqual([refused.status, codeOf(refused)], [400, 'TOO_MANY']);
    } finally {
      await admin.end();
    }
  });
});
