import assert from 'node:assert/strict';

import { OperatorServiceClient } from '@sallyport/proto/policy/v1';
import { newId } from '@sallyport/storage';

import type { Answer, CallOptions, Organization, World } from './world.ts';

export const EVALUATION = '/access/v1/evaluation';
export const EVALUATIONS = '/access/v1/evaluations';
export const SEARCH = {
  subject: '/access/v1/search/subject',
  resource: '/access/v1/search/resource',
  action: '/access/v1/search/action',
} as const;

export type Json = Readonly<Record<string, unknown>>;

/** An enforcement point of one organisation, and a Developer of its project to ask about. */
export class AuthzenDesk {
  readonly world: World;
  readonly org: Organization;
  readonly token: string;
  readonly developer: string;

  private constructor(world: World, org: Organization, token: string, developer: string) {
    this.world = world;
    this.org = org;
    this.token = token;
    this.developer = developer;
  }

  static async open(world: World): Promise<AuthzenDesk> {
    const org = await world.organization();
    const token = await tokenOf(world, org);
    const developer = newId();
    await world.user(org.orgId, developer, `developer-${developer}`);
    await world.grant(org, {
      subject: { type: 'user', id: developer },
      role: 'developer',
      scope: { projectId: org.projectId },
    });
    return new AuthzenDesk(world, org, token, developer);
  }

  /** What the Developer may: toggle in staging. */
  question(changes: Json = {}): Json {
    return { subject: this.subject(), action: { name: 'flag:toggle' }, resource: this.flag('staging'), ...changes };
  }

  subject(): Json {
    return { type: 'user', id: this.developer };
  }

  flag(environment: string, id = 'checkout'): Json {
    return { type: 'flag', id, properties: { project: 'shop', environment } };
  }

  async post(path: string, body: unknown, options: Partial<CallOptions> = {}): Promise<Answer> {
    return await this.world.call('POST', path, { token: this.token, body, ...options });
  }

  /** The body of what must be answered with 200. */
  async answered(path: string, body: unknown): Promise<Json> {
    const answer = await this.post(path, body);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as Json;
  }

  /** The message of what must be refused with 400. */
  async refused(path: string, body: unknown): Promise<string> {
    const answer = await this.post(path, body);
    assert.equal(answer.status, 400, `${JSON.stringify(body).slice(0, 200)} ${answer.text}`);
    assert.equal(typeof answer.body, 'string', 'an error is a message string');
    return answer.body as string;
  }
}

/** A decision token of the organisation. */
export const tokenOf = async (world: World, { orgId }: Organization): Promise<string> => {
  const client = world.client(OperatorServiceClient, 'operator');
  return (await client.unary('issueDecisionToken', { orgId, name: 'gateway' }, { deadlineMs: 10_000 })).token;
};
