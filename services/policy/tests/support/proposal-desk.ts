import assert from 'node:assert/strict';

import { GrantDesk, type Person } from './grant-desk.ts';
import type { Answer, GrantRequest, Organization, World } from './world.ts';

export const PROPOSALS = '/api/policy/v1/proposals';
export const PROTECTIONS = '/api/policy/v1/protections';

export interface ProposalBody {
  readonly id: string;
  readonly state: string;
  readonly hash: string;
  readonly revision: number;
  readonly resultId: string | null;
  readonly requiredApprovals: number | null;
  readonly approvals: readonly { readonly approver: string }[];
}

export type Verb = 'approve' | 'reject' | 'apply' | 'cancel';

/** What tests of proposals do again and again: an organisation with three Owners, and its protected live environment. */
export class ProposalDesk extends GrantDesk {
  readonly owners: readonly [Person, Person, Person];

  private constructor(world: World, org: Organization, owners: readonly [Person, Person, Person]) {
    super(world, org);
    this.owners = owners;
  }

  static async open(world: World): Promise<ProposalDesk> {
    const org = await world.organization();
    const desk = new GrantDesk(world, org);
    const first = { id: org.ownerId, token: org.ownerToken };
    return new ProposalDesk(world, org, [first, await desk.holding('owner'), await desk.holding('owner')]);
  }

  get live(): { readonly environmentId: string } {
    return { environmentId: this.org.liveId };
  }

  async protect(requiredApprovals = 1, scope: object = this.live): Promise<string> {
    const answer = await this.post(this.org.ownerToken, { scope, requiredApprovals }, PROTECTIONS);
    assert.equal(answer.status, 201, answer.text);
    return (answer.body as { id: string }).id;
  }

  grantTo({ id }: Pick<Person, 'id'>, more: Partial<GrantRequest> = {}): GrantRequest {
    return { subject: { type: 'user', id }, role: 'release_manager', scope: this.live, ...more };
  }

  async proposing(token: string, change: object): Promise<Answer> {
    return await this.post(token, { change, reason: 'On call from Monday.' }, PROPOSALS);
  }

  async proposed(change: object, token = this.owners[0].token): Promise<ProposalBody> {
    const answer = await this.proposing(token, change);
    assert.equal(answer.status, 201, answer.text);
    return answer.body as ProposalBody;
  }

  async act(token: string, verb: Verb, { id, hash }: Pick<ProposalBody, 'id' | 'hash'>): Promise<Answer> {
    const body = verb === 'cancel' ? {} : { body: { hash } };
    return await this.world.call('POST', `${PROPOSALS}/${id}/${verb}`, { token, ...body });
  }

  async done(token: string, verb: Verb, proposal: ProposalBody): Promise<ProposalBody> {
    const answer = await this.act(token, verb, proposal);
    assert.equal(answer.status, 200, answer.text);
    return answer.body as ProposalBody;
  }

  async shown({ id }: Pick<ProposalBody, 'id'>, token = this.owners[0].token): Promise<ProposalBody> {
    return (await this.world.call('GET', `${PROPOSALS}/${id}`, { token })).body as ProposalBody;
  }

  /** Their access ends, and with `active` they are back at once, in another epoch. */
  async ended({ id: subjectId }: Person, active: boolean): Promise<void> {
    const { orgId } = this.org;
    await this.world.applied(orgId, this.world.identity.commit(orgId, [{ subjectId, active, epoch: 2n }]));
  }

  async holds({ id }: Pick<Person, 'id'>): Promise<number> {
    return (await this.listed(`?subjectId=${id}`)).items.length;
  }
}
