import { CheckManyRequest, CheckRequest } from '@sallyport/proto/policy/v1';
import type { DecisionRequest } from '@sallyport/policy/decisions';

import { GRANTS_PER_ORGANIZATION, openWorld, orgIdOf, projectIdOf, requestOf, roleOf, tierOf } from '../world.ts';
import { encodeCheckResources, type CerbosCheck } from './cerbos-wire.ts';
import type { Questions } from './load.ts';

/** A question with its one right answer, as it is put to ours and to the peer. */
interface Asked {
  readonly request: DecisionRequest;
  readonly cerbos: CerbosCheck;
  readonly isAllowed: boolean;
}

const QUESTIONS = 1_024;
/** Of so many questions one is denied and one is a permission to write in production: both are always recorded. */
const SHARE = 32;
export const BATCH = 50;
const BATCHES = 128;

const ENVIRONMENTS = 108;
const PROJECTS = 30;
/** All combinations of person, environment and action come up. */
const DRAWN = 120_000;

const userOf = (number: number): number => (number * 31) % GRANTS_PER_ORGANIZATION;
const environmentOf = (number: number): number => (number * 17) % ENVIRONMENTS;

const toCerbos = (number: number, action: string): CerbosCheck => {
  const [user, environment] = [userOf(number), environmentOf(number)];
  return {
    principal: {
      id: `user-${String(user)}`,
      role: roleOf(user),
      // Every second grant is for one project only.
      attributes: user % 2 === 0 ? {} : { project: projectIdOf(0, user % PROJECTS) },
    },
    action,
    resource: {
      id: `environment-${String(environment)}`,
      attributes: { place: tierOf(environment), project: projectIdOf(0, environment % PROJECTS) },
    },
  };
};

interface Kinds {
  readonly denied: Asked[];
  readonly written: Asked[];
  readonly other: Asked[];
}

/** So many questions of one person, in the mix above as far as that person has all kinds. */
const mixOf = ({ denied, written, other }: Kinds, count: number): readonly Asked[] =>
  Array.from({ length: count }, (_, at) => {
    const kinds = [denied, written.length > 0 ? written : other];
    const from = kinds[at % SHARE] ?? other;
    return from[at % from.length] as Asked;
  });

export interface Questionnaire {
  readonly single: readonly Asked[];
  /** Fifty questions about one person each: the peer's batches have one principal. */
  readonly batches: readonly (readonly Asked[])[];
}

/** Questions answered beforehand by the index in this process. */
export const openQuestions = async (): Promise<Questionnaire> => {
  const { point } = await openWorld({ organizations: 1 });
  const people = new Map<number, Kinds>();
  for (let number = 0; number < DRAWN; number += 1) {
    const request = requestOf(number, 1);
    const kinds = people.get(userOf(number)) ?? { denied: [], written: [], other: [] };
    people.set(userOf(number), kinds);
    const { allowed: isAllowed } = point.decide(request);
    const asked = { request, cerbos: toCerbos(number, request.action), isAllowed };
    const isProductionWrite = tierOf(environmentOf(number)) === 'production' && request.action !== 'flag:read';
    if (!isAllowed) kinds.denied.push(asked);
    else if (isProductionWrite) kinds.written.push(asked);
    else kinds.other.push(asked);
  }
  // Whoever is never allowed anything, or never denied, asks nothing.
  const askers = [...people.values()].filter(({ denied, other }) => denied.length > 0 && other.length > 0);
  const batches = Array.from({ length: BATCHES }, (_, at) => mixOf(askers[at % askers.length] as Kinds, BATCH));
  const everybody = {
    denied: askers.flatMap(({ denied }) => denied),
    written: askers.flatMap(({ written }) => written),
    other: askers.flatMap(({ other }) => other),
  };
  const spread = (from: Asked[]): Asked[] => from.map((_, at) => from[(at * 7_919) % from.length] as Asked);
  const { denied, written, other } = everybody;
  const single = mixOf({ denied: spread(denied), written: spread(written), other: spread(other) }, QUESTIONS);
  return { single, batches };
};

const toMessage = ({ request }: Asked): CheckRequest =>
  CheckRequest.fromPartial({
    orgId: orgIdOf(0),
    subject: { type: request.subject.type, id: request.subject.id, epoch: 1n },
    action: request.action,
    resource: {
      type: 'flag',
      id: 'checkout',
      projectId: request.projectId,
      environmentId: request.environmentId,
    },
  });

const SERVICE = '/sallyport.policy.v1.DecisionService';

const allowances = (batches: readonly (readonly Asked[])[]): Questions['answers'] =>
  batches.map((batch) => batch.map(({ isAllowed }) => isAllowed));

export const ourChecks = ({ single }: Questionnaire): Questions => ({
  path: `${SERVICE}/Check`,
  messages: single.map((each) => CheckRequest.encode(toMessage(each)).finish()),
  answers: allowances(single.map((each) => [each])),
  format: 'check',
});

/** The same questions, and any answer will do. */
export const echoes = (asked: Questionnaire): Questions => ({ ...ourChecks(asked), format: 'anything' });

export const ourBatches = ({ batches }: Questionnaire): Questions => ({
  path: `${SERVICE}/CheckMany`,
  messages: batches.map((batch) =>
    CheckManyRequest.encode(CheckManyRequest.fromPartial({ checks: batch.map(toMessage) })).finish(),
  ),
  answers: allowances(batches),
  format: 'check-many',
});

const toCerbosQuestions = (batches: readonly (readonly Asked[])[]): Questions => ({
  path: '/cerbos.svc.v1.CerbosService/CheckResources',
  messages: batches.map((batch) =>
    encodeCheckResources(
      (batch[0] as Asked).cerbos.principal,
      batch.map(({ cerbos }) => cerbos),
    ),
  ),
  answers: allowances(batches),
  format: 'check-resources',
});

export const cerbosChecks = ({ single }: Questionnaire): Questions => toCerbosQuestions(single.map((each) => [each]));
export const cerbosBatches = ({ batches }: Questionnaire): Questions => toCerbosQuestions(batches);
