/**
 * A second opinion on what a policy means, written as SQL on its rows: no code of the service, no Casbin. What is
 * undecided is NULL, and PostgreSQL's own AND, OR and NOT carry it through.
 */
import pg from 'pg';

import { nameOf } from '../../src/model/lines.ts';
import { PLACES } from '../../src/model/permissions.ts';
import type { RoleDefinition } from '../../src/model/roles.ts';
import type { RandomPolicy, RandomRequest } from './random-policy.ts';

const FUNCTIONS = `
  CREATE SCHEMA IF NOT EXISTS oracle;

  CREATE OR REPLACE FUNCTION oracle.property(attrs jsonb, path text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
    $$ SELECT attrs -> split_part(path, '.', 1) -> substr(path, strpos(path, '.') + 1) $$;

  CREATE OR REPLACE FUNCTION oracle.address(given text) RETURNS inet LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    v4 text := '(0|[1-9][0-9]{0,2})([.](0|[1-9][0-9]{0,2})){3}';
    found inet;
  BEGIN
    IF length(given) > 45 OR given !~ ('^([0-9A-Fa-f:]*:)?(' || v4 || ')$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*$') THEN
      RETURN NULL;
    END IF;
    found := given::inet;
    IF family(found) = 6 AND found <<= '::ffff:0:0/96' THEN
      found := '0.0.0.0'::inet + (found - '::ffff:0:0'::inet);
    END IF;
    RETURN found;
  EXCEPTION WHEN invalid_text_representation THEN RETURN NULL;
  END $$;

  CREATE OR REPLACE FUNCTION oracle.during(moment numeric, hours jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN abs(moment) <= 8640000000000000 THEN
      (SELECT hours -> 'days' @> to_jsonb(extract(isodow FROM t)::int)
          AND to_char(t, 'HH24:MI') COLLATE "C" >= hours ->> 'from' AND to_char(t, 'HH24:MI') COLLATE "C" < hours ->> 'until'
         FROM (SELECT timestamp 'epoch' + floor(moment)::float8 * interval '1 millisecond') AS x(t))
    END $$;

  CREATE OR REPLACE FUNCTION oracle.test(c jsonb, attrs jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    given jsonb := oracle.property(attrs, c ->> 'property');
    wanted jsonb := c -> 'value';
    type text := jsonb_typeof(given);
    other jsonb;
    number numeric;
  BEGIN
    IF type = 'number' THEN number := (given #>> '{}')::numeric; END IF;
    CASE c ->> 'operator'
      WHEN 'equals' THEN RETURN CASE WHEN type = jsonb_typeof(wanted) THEN given = wanted END;
      WHEN 'in' THEN RETURN CASE WHEN type = jsonb_typeof(wanted -> 0)
        THEN EXISTS (SELECT FROM jsonb_array_elements(wanted) e WHERE e = given) END;
      WHEN 'contains' THEN RETURN CASE WHEN type = 'array'
        THEN EXISTS (SELECT FROM jsonb_array_elements(given) e WHERE e = wanted) END;
      WHEN 'like' THEN RETURN CASE WHEN type = 'string' THEN given #>> '{}' LIKE
        replace(replace(replace(replace(wanted #>> '{}', '\\', '\\\\'), '%', '\\%'), '_', '\\_'), '*', '%') END;
      WHEN 'inNetwork' THEN RETURN CASE WHEN type = 'string' AND oracle.address(given #>> '{}') IS NOT NULL
        THEN EXISTS (SELECT FROM jsonb_array_elements_text(wanted) n WHERE oracle.address(given #>> '{}') <<= n::inet) END;
      WHEN 'atLeast' THEN RETURN number >= (wanted #>> '{}')::numeric;
      WHEN 'atMost' THEN RETURN number <= (wanted #>> '{}')::numeric;
      WHEN 'moreThan' THEN RETURN number > (wanted #>> '{}')::numeric;
      WHEN 'lessThan' THEN RETURN number < (wanted #>> '{}')::numeric;
      WHEN 'duringUtc' THEN RETURN oracle.during(number, wanted);
      WHEN 'equalsProperty' THEN
        other := oracle.property(attrs, wanted #>> '{}');
        RETURN CASE WHEN type <> 'array' AND type = jsonb_typeof(other) THEN given = other END;
    END CASE;
  END $$;

  CREATE OR REPLACE FUNCTION oracle.outcome(c jsonb, attrs jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    result boolean;
    member jsonb;
  BEGIN
    IF c ? 'not' THEN RETURN NOT oracle.outcome(c -> 'not', attrs); END IF;
    IF c ? 'property' THEN RETURN oracle.test(c, attrs); END IF;
    result := c ? 'all';
    FOR member IN SELECT * FROM jsonb_array_elements(coalesce(c -> 'all', c -> 'any')) LOOP
      IF c ? 'all' THEN result := result AND oracle.outcome(member, attrs);
      ELSE result := result OR oracle.outcome(member, attrs);
      END IF;
    END LOOP;
    RETURN result;
  END $$;
`;

const DECISIONS = `
  WITH
    role_permission AS (SELECT * FROM jsonb_to_recordset($1::jsonb -> 'roles')
      AS x(org text, role text, place text, permission text)),
    project AS (SELECT * FROM jsonb_to_recordset($1::jsonb -> 'projects') AS x(org text, project text)),
    environment AS (SELECT * FROM jsonb_to_recordset($1::jsonb -> 'environments')
      AS x(org text, environment text, project text, tier text)),
    member AS (SELECT * FROM jsonb_to_recordset($1::jsonb -> 'members') AS x(org text, subject text, "group" text)),
    given AS (SELECT * FROM jsonb_to_recordset($1::jsonb -> 'grants') AS x(org text, subject text, role text, project text,
      environment text, tier text, type text, "from" numeric, until numeric, condition jsonb, effect text)),
    asked AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS x(number int, org text, subject text, action text, type text,
      project text, environment text, now numeric, attrs jsonb)),
    -- Where a request is, as far as there is such a place.
    located AS (
      SELECT a.number, a.org, a.subject, a.action, a.type, a.now, a.attrs, e.tier AS place, e.project, e.environment
        FROM asked a JOIN environment e ON e.org = a.org AND e.environment = a.environment
        JOIN project p ON p.org = e.org AND p.project = e.project WHERE a.project IS NULL OR a.project = e.project
      UNION ALL
      SELECT a.number, a.org, a.subject, a.action, a.type, a.now, a.attrs, 'project', p.project, NULL
        FROM asked a JOIN project p ON p.org = a.org AND p.project = a.project WHERE a.environment IS NULL
      UNION ALL
      SELECT a.number, a.org, a.subject, a.action, a.type, a.now, a.attrs, 'organization', NULL, NULL
        FROM asked a WHERE a.environment IS NULL AND a.project IS NULL
    ),
    applying AS (
      SELECT r.number, g.effect FROM located r JOIN given g ON g.org = r.org
       WHERE EXISTS (SELECT FROM role_permission p
                      WHERE (p.org IS NULL OR p.org = r.org) AND p.role = g.role AND p.place = r.place
                        AND p.permission = r.action)
         AND (g.subject = r.subject OR EXISTS (SELECT FROM member m
                      WHERE m.org = r.org AND m.subject = r.subject AND m."group" = g.subject))
         AND (g.environment IS NULL OR g.environment = r.environment)
         AND (g.project IS NULL OR g.project = r.project OR g.environment IS NOT NULL)
         AND (g.tier IS NULL OR g.tier = r.place) AND (g.type IS NULL OR g.type = r.type)
         AND (g."from" IS NULL OR g."from" <= r.now) AND (g.until IS NULL OR g.until > r.now)
         AND (g.condition IS NULL OR coalesce(oracle.outcome(g.condition, r.attrs), g.effect = 'deny'))
    )
  SELECT number FROM applying GROUP BY number HAVING bool_or(effect = 'allow') AND NOT bool_or(effect = 'deny')
`;

const optional = (kind: Parameters<typeof nameOf>[0], id: string | null): string | null =>
  id === null || id === '' ? null : nameOf(kind, id);

/** Of an organisation's own; null: every organisation has it. */
const permissionsOf = (role: RoleDefinition, orgId: string | null): readonly object[] =>
  PLACES.flatMap((place) =>
    role.permissions[place].map((permission) => ({
      org: optional('org', orgId),
      role: nameOf('role', role.key),
      place,
      permission,
    })),
  );

const rowsOf = ({ roles, organizations }: RandomPolicy): object => ({
  roles: [
    ...roles.flatMap((role) => permissionsOf(role, null)),
    ...organizations.flatMap(({ rows }) => (rows.roles ?? []).flatMap((role) => permissionsOf(role, rows.orgId))),
  ],
  projects: organizations.flatMap(({ rows }) =>
    rows.projects.map(({ projectId }) => ({ org: nameOf('org', rows.orgId), project: nameOf('project', projectId) })),
  ),
  environments: organizations.flatMap(({ rows }) =>
    rows.environments.map(({ environmentId, projectId, tier }) => ({
      org: nameOf('org', rows.orgId),
      environment: nameOf('environment', environmentId),
      project: nameOf('project', projectId),
      tier,
    })),
  ),
  members: organizations.flatMap(({ rows, memberships }) =>
    memberships.flatMap(({ type, subjectId, groupIds }) =>
      groupIds.map((groupId) => ({
        org: nameOf('org', rows.orgId),
        subject: nameOf(type, subjectId),
        group: nameOf('group', groupId),
      })),
    ),
  ),
  grants: organizations.flatMap(({ rows }) =>
    rows.grants.map((row) => ({
      org: nameOf('org', rows.orgId),
      subject: nameOf(row.subjectType, row.subjectId),
      role: nameOf('role', row.roleKey),
      project: optional('project', row.projectId),
      environment: optional('environment', row.environmentId),
      tier: row.tier ?? null,
      type: row.resourceType ?? null,
      from: row.validFromMs,
      until: row.validUntilMs,
      condition: row.condition ?? null,
      effect: row.effect,
    })),
  ),
});

/** PostgreSQL holds neither U+0000 nor half of a surrogate pair; nor does anything that comes in over HTTP. */
const isStorable = (json: string): boolean => !/\\u0000|\\ud[89a-f]/i.test(json);

/** A request with its attributes as text; null for one whose place is not there. */
export interface OracleRequest {
  readonly request: RandomRequest;
  readonly orgId: string;
  readonly attributes: string;
}

/** Decides by asking PostgreSQL. */
export class SqlOracle {
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(url: string): Promise<SqlOracle> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(FUNCTIONS);
    return new SqlOracle(client);
  }

  /** One answer a request; undefined for those PostgreSQL has no way to hold. */
  async allows(policy: RandomPolicy, requests: readonly OracleRequest[]): Promise<readonly (boolean | undefined)[]> {
    const asked = requests.flatMap(({ request, orgId, attributes }, number) =>
      isStorable(attributes)
        ? [
            {
              number,
              org: nameOf('org', orgId),
              subject: nameOf(request.subjectType, request.subjectId),
              action: request.action,
              type: request.action.split(':')[0],
              project: optional('project', request.projectId),
              environment: optional('environment', request.environmentId),
              now: request.nowMs,
              attrs: JSON.parse(attributes) as unknown,
            },
          ]
        : [],
    );
    const { rows } = await this.#client.query<{ number: number }>(DECISIONS, [
      JSON.stringify(rowsOf(policy)),
      JSON.stringify(asked),
    ]);
    const allowed = new Set(rows.map(({ number }) => number));
    const held = new Set(asked.map(({ number }) => number));
    return requests.map((_, number) => (held.has(number) ? allowed.has(number) : undefined));
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}
