import { AppError } from '@sallyport/errors';
import { type GrpcService, grpcService, unary } from '@sallyport/grpc';
import {
  CredentialType,
  IntrospectionServiceService,
  IntrospectResponse,
  PrincipalType,
} from '@sallyport/proto/identity/v1';
import {
  CheckManyResponse,
  type CheckRequest,
  CheckResponse,
  Decision,
  DecisionServiceService,
  type PutEnvironmentRequest,
  type PutProjectRequest,
  ScopeServiceService,
  Tier,
} from '@sallyport/proto/policy/v1';
import { FeedStandIn } from '@sallyport/subject-feed/testing';

/** An account as identity and policy know it. */
export interface Account {
  readonly id: string;
  readonly orgId: string;
  readonly type: 'user' | 'service_account';
  active: boolean;
  epoch: bigint;
  /** Of a service account: who answers for it. */
  readonly sponsors?: readonly string[];
}

export interface Token {
  readonly account: Account;
  readonly credentialId: string;
  readonly epoch: bigint;
  readonly scopes: readonly string[];
}

/** Identity as flags meets it: introspection of bearer tokens, and the subject log. */
export class IdentityStandIn extends FeedStandIn {
  readonly tokens = new Map<string, Token>();

  /** Writes to the log how an account stands. */
  tell({ id, orgId, type, active, epoch }: Account): void {
    this.commit(orgId, [{ subjectId: id, type: type === 'user' ? 1 : 2, active, epoch }]);
  }

  services(): GrpcService[] {
    return [this.#introspection(), this.feedService(['flags'])];
  }

  #introspection(): GrpcService {
    return grpcService(IntrospectionServiceService, {
      introspect: {
        allow: ['flags'],
        handler: unary(async ({ credential }) => {
          const token = credential?.$case === 'bearer' ? this.tokens.get(credential.value) : undefined;
          if (token === undefined || !token.account.active || token.epoch !== token.account.epoch)
            return await Promise.resolve(IntrospectResponse.fromPartial({ active: false, inactiveReason: 'unknown' }));
          const { account } = token;
          const isUser = account.type === 'user';
          return IntrospectResponse.fromPartial({
            active: true,
            principal: {
              orgId: account.orgId,
              orgSlug: 'acme',
              subjectId: account.id,
              type: isUser ? PrincipalType.PRINCIPAL_TYPE_USER : PrincipalType.PRINCIPAL_TYPE_SERVICE_ACCOUNT,
              epoch: token.epoch,
              credentialType: CredentialType.CREDENTIAL_TYPE_API_TOKEN,
              credentialId: token.credentialId,
              scopes: [...token.scopes],
              authenticatedAt: new Date(),
              expiresAt: new Date(Date.now() + 3_600_000),
              displayName: 'Somebody',
              sponsorSubjectIds: [...(account.sponsors ?? [])],
            },
          });
        }),
      },
    });
  }
}

export interface Where {
  readonly projectId: string;
  readonly environmentId: string;
  readonly environmentKey: string;
  readonly tier: Tier | undefined;
}

type Grant = (permission: string, where: Where) => boolean;

/** The built-in roles, as far as they matter here (the real ones are policy's, and data). */
const READ = /^[a-z]+:read$/;
const isProduction = ({ tier }: Where): boolean => tier === Tier.TIER_PRODUCTION;
export const ROLES = {
  owner: () => true,
  releaseManager: (permission) => READ.test(permission) || /^flag:(toggle|target)$|^change:/.test(permission),
  reviewer: (permission) => READ.test(permission) || permission === 'change:review',
  developer: (permission, where) =>
    READ.test(permission) || (!isProduction(where) && /^(flag|change):/.test(permission) && where.environmentId !== ''),
  viewer: (permission) => READ.test(permission),
  nobody: () => false,
} satisfies Record<string, Grant>;
export type Role = keyof typeof ROLES;

/** Policy as flags meets it: decisions about known scopes and standing accounts, and the registry of scopes. */
export class PolicyStandIn {
  readonly accounts = new Map<string, Account>();
  readonly grants = new Map<string, Grant>();
  readonly environments = new Map<string, PutEnvironmentRequest>();
  readonly projects = new Map<string, PutProjectRequest>();
  /** Everything asked, in order. */
  readonly asked: CheckRequest[] = [];
  /** Every scope call, in order of arrival. */
  readonly registrations: { readonly sequence: bigint; readonly id: string }[] = [];
  validForMs = 1_000;
  isDown = false;
  refusesScopes = false;
  /** Runs before each answer. */
  onCheck: (request: CheckRequest) => Promise<void> = () => Promise.resolve();

  services(): GrpcService[] {
    return [
      grpcService(DecisionServiceService, {
        check: { allow: ['flags'], handler: unary(async (request) => await this.#answer(request)) },
        checkMany: {
          allow: ['flags'],
          handler: unary(async ({ checks }) =>
            CheckManyResponse.fromPartial({
              results: await Promise.all(checks.map(async (check) => await this.#answer(check))),
            }),
          ),
        },
      }),
      grpcService(ScopeServiceService, {
        putProject: {
          allow: ['flags'],
          handler: unary(async (request) => {
            this.#register(request.sequence, request.projectId);
            this.projects.set(request.projectId, request);
            return await Promise.resolve({ grantsRevision: request.sequence });
          }),
        },
        putEnvironment: {
          allow: ['flags'],
          handler: unary(async (request) => {
            this.#register(request.sequence, request.environmentId);
            this.environments.set(request.environmentId, request);
            return await Promise.resolve({ grantsRevision: request.sequence });
          }),
        },
      }),
    ];
  }

  #register(sequence: bigint, id: string): void {
    if (this.refusesScopes) throw new AppError('UNAVAILABLE', 'Policy is away.');
    this.registrations.push({ sequence, id });
  }

  async #answer(request: CheckRequest): Promise<CheckResponse> {
    this.asked.push(request);
    await this.onCheck(request);
    if (this.isDown) throw new AppError('UNAVAILABLE', 'Policy is away.');
    const [isAllowed, reason] = this.#decide(request);
    return CheckResponse.fromPartial({
      decision: isAllowed ? Decision.DECISION_ALLOW : Decision.DECISION_DENY,
      reason,
      explanation: isAllowed ? 'A grant allows it.' : `Denied: ${reason}.`,
      matchedGrant: isAllowed ? 'grant-1' : '',
      matchedRole: isAllowed ? 'role-1' : '',
      policyRevision: `${request.orgId}@s1.g1`,
      validForMs: this.validForMs,
    });
  }

  #decide({ subject, action, resource, orgId }: CheckRequest): [boolean, string] {
    const account = this.accounts.get(subject?.id ?? '');
    if (account === undefined || account.orgId !== orgId) return [false, 'SUBJECT_UNKNOWN'];
    const epoch = subject?.epoch ?? 0n;
    if (!account.active || (epoch !== 0n && epoch !== account.epoch)) return [false, 'SUBJECT_REVOKED'];
    const { projectId = '', environmentId = '' } = resource ?? {};
    const environment = this.environments.get(environmentId);
    if (environmentId !== '' && environment === undefined) return [false, 'UNKNOWN_ENVIRONMENT'];
    const where = { projectId, environmentId, environmentKey: environment?.key ?? '', tier: environment?.tier };
    return this.grants.get(account.id)?.(action, where) === true ? [true, 'GRANTED'] : [false, 'NO_GRANT'];
  }
}
