import assert from 'node:assert/strict';

import { isAppError } from '@sallyport/errors';
import { waitFor } from '@sallyport/dev-env';
import { Decision, type CheckResponse } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import { EVALUATION, tokenOf, type Json } from '../authzen-desk.ts';
import { GrantDesk, type AuditItem, type Page, type Person } from '../grant-desk.ts';
import type { Answer, GrantRequest, Organization, Question, World } from '../world.ts';

/** One attempt to get further than one may, and what must come of it. */
export interface Attack {
  readonly door: 'HTTP' | 'gRPC' | 'AuthZEN';
  /** Who tries what. */
  readonly what: string;
  /** What the door says: see {@link Scene.http}, {@link Scene.authzen}, {@link Scene.check}, {@link Scene.call}. */
  readonly refused: string;
  /** The entries of the audit log, `<action> <reason>`, newest first; null: nothing was to be changed, or nobody is known to have tried. */
  readonly audited: string | null;
  /** True: in an organisation of its own, because that organisation's only Owner is part of it. */
  readonly alone?: boolean;
  /** Sets the scene; what it answers is the attempt. */
  readonly arrange: (scene: Scene) => Promise<() => Promise<string>>;
}

interface Problem {
  readonly code?: string;
  readonly metadata?: { readonly reason?: string; readonly rule?: string };
  readonly errors?: readonly { readonly code: string }[];
}

/** An organisation nobody else uses, with everything an attack needs. */
export class Scene extends GrantDesk {
  readonly decisionToken: string;
  #rival: Organization | null = null;

  private constructor(world: World, org: Organization, decisionToken: string) {
    super(world, org);
    this.decisionToken = decisionToken;
  }

  static async open(world: World): Promise<Scene> {
    const org = await world.organization();
    return new Scene(world, org, await tokenOf(world, org));
  }

  /** Another organisation, which has the same keys. */
  async rival(): Promise<Organization> {
    return (this.#rival ??= await this.world.organization());
  }

  /** Someone whom a grant may be given to. */
  async target(): Promise<GrantRequest['subject']> {
    return { type: 'user', id: (await this.newUser()).id };
  }

  /** @param behind who answers for it */
  async robot(role?: string, scope: GrantRequest['scope'] = {}, behind: readonly Person[] = []): Promise<Person> {
    const { orgId } = this.org;
    const person = { id: newId(), token: `robot-${newId()}` };
    const sponsorSubjectIds = behind.map(({ id }) => id);
    this.world.identity.allow(person.token, { orgId, subjectId: person.id, type: 2, sponsorSubjectIds });
    await this.world.applied(orgId, this.world.identity.commit(orgId, [{ subjectId: person.id, type: 2 }]));
    if (role !== undefined)
      await this.world.grant(this.org, { subject: { type: 'service_account', id: person.id }, role, scope });
    return person;
  }

  /** A token of theirs that is limited to these permissions. */
  limited(person: Person, scopes: string[]): string {
    const token = `limited-${newId()}`;
    this.world.identity.allow(token, { orgId: this.org.orgId, subjectId: person.id, scopes });
    return token;
  }

  /** The identity provider says something new about them. */
  async changed(
    person: Person,
    state: { active?: boolean; epoch?: bigint; groupIds?: string[]; deleted?: boolean },
  ): Promise<void> {
    const { orgId } = this.org;
    await this.world.applied(orgId, this.world.identity.commit(orgId, [{ subjectId: person.id, ...state }]));
  }

  /** A moment so many ms from now. */
  inMs(ms: number): string {
    return new Date(this.world.context.clock.now().getTime() + ms).toISOString();
  }

  async until(isSo: () => Promise<boolean>, message: string): Promise<void> {
    await waitFor(isSo, { message });
  }

  /** `<status> <code> <reason, rule or code of the field>` */
  async http(
    method: string,
    path: string,
    token: string | undefined,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const answer = await this.world.call(method, path, {
      headers,
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
    });
    return httpOutcome(answer);
  }

  /** `allow` or `deny <reason>`; an error: its status. */
  async authzen(body: Json, token: string | undefined = this.decisionToken): Promise<string> {
    const headers = { 'sallyport-reasons': 'true' };
    const answer = await this.world.call('POST', EVALUATION, {
      body,
      headers,
      ...(token === undefined ? {} : { token }),
    });
    if (answer.status !== 200) return String(answer.status);
    const { decision, context } = answer.body as { decision: boolean; context: Json };
    return decision ? 'allow' : `deny ${String(context['reason'])}`;
  }

  /** `allow` or `deny <reason>`; an error: its code. */
  async check(question: Omit<Question, 'orgId'> & { orgId?: string }, peer?: string): Promise<string> {
    return await this.call(async () => {
      const answer = await this.world.check({ orgId: this.org.orgId, ...question }, peer);
      return checkOutcome(answer);
    });
  }

  /** What a call comes to: its own words, or the code of its error. */
  async call(attempt: () => Promise<string>): Promise<string> {
    try {
      return await attempt();
    } catch (error) {
      if (isAppError(error)) return error.code;
      throw error;
    }
  }

  /** Everything stored that decides, of every organisation: one line for each table. What follows others is left out. */
  async stored(): Promise<readonly string[]> {
    return await this.world.context.db.readAcrossOrganizations('whether an attack changed anything', async (tx) => {
      const tables = await tx.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = 'policy' AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')
            AND c.relname !~ '^(audit_|standing_|history_|decision_log|subject_key)' ORDER BY 1`,
      );
      const lines: string[] = [];
      for (const { name } of tables) {
        const [row] = await tx.query<{ digest: string }>(
          `SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS digest FROM ${name} t`,
        );
        lines.push(`${name} ${row?.digest ?? ''}`);
      }
      assert.ok(lines.some((line) => line.startsWith('role_grant ')));
      return lines;
    });
  }

  /** Refused attempts in the audit log, newest first. */
  async denials(): Promise<readonly string[]> {
    const { status, body } = await this.world.call('GET', '/api/policy/v1/audit?outcome=denied&limit=200', {
      token: this.org.ownerToken,
    });
    assert.equal(status, 200);
    return (body as Page<AuditItem>).items.map(({ entry }) => `${entry.action} ${entry.reason ?? ''}`);
  }
}

const httpOutcome = ({ status, body }: Answer): string => {
  const { code, metadata, errors } = (body ?? {}) as Problem;
  const why = metadata?.reason ?? metadata?.rule ?? errors?.[0]?.code;
  return [String(status), code, why].filter((part) => part !== undefined).join(' ');
};

const checkOutcome = ({ decision, reason }: CheckResponse): string => {
  if (decision === Decision.DECISION_ALLOW) return 'allow';
  assert.equal(decision, Decision.DECISION_DENY);
  return `deny ${reason}`;
};
