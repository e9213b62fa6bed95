/**
 * Plays the identity service at the other end of real mutual-TLS gRPC: the subject log, and introspection of whatever
 * tokens a test hands out. Can be cut and can misbehave on order.
 */
import { grpcService, startGrpcServer, unary, type GrpcServer, type TlsFiles } from '@sallyport/grpc';
import { IntrospectionServiceService, type IntrospectResponse, type Principal } from '@sallyport/proto/identity/v1';
import { FeedStandIn } from '@sallyport/subject-feed/testing';
import { silentLogger } from '@sallyport/telemetry';

const FOLLOWERS = ['policy'] as const;

export class FakeIdentity extends FeedStandIn {
  readonly #principals = new Map<string, Principal>();
  readonly #tls: TlsFiles;
  readonly #deployment: string;
  #server: GrpcServer | null = null;
  #port = 0;

  constructor(tls: TlsFiles, deployment: string) {
    super();
    this.#tls = tls;
    this.#deployment = deployment;
  }

  /** Starts, or starts again on the same port. */
  async start(): Promise<number> {
    this.#server = await startGrpcServer({
      service: 'identity',
      host: '127.0.0.1',
      port: this.#port,
      tls: this.#tls,
      deployment: this.#deployment,
      logger: silentLogger(),
      services: [this.feedService(FOLLOWERS), this.#introspectionService()],
    });
    this.#port = this.#server.port;
    return this.#port;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
    this.forgetFollowers();
  }

  /** A bearer token for this principal. */
  allow(token: string, principal: Partial<Principal>): void {
    this.#principals.set(token, {
      orgId: '',
      subjectId: '',
      type: 1,
      epoch: 1n,
      credentialType: 2,
      credentialId: 'credential',
      scopes: [],
      authenticatedAt: new Date(0),
      expiresAt: new Date(8_640_000_000_000),
      acr: '',
      amr: [],
      orgSlug: 'slug',
      displayName: 'Somebody',
      clientId: '',
      stepUpDue: [],
      sponsorSubjectIds: [],
      ...principal,
    });
  }

  #introspectionService() {
    return grpcService(IntrospectionServiceService, {
      introspect: {
        allow: ['policy'],
        handler: unary(async ({ credential }): Promise<IntrospectResponse> => {
          const principal = this.#principals.get(credential?.value ?? '');
          return await Promise.resolve({ active: principal !== undefined, inactiveReason: '', principal });
        }),
      },
    });
  }
}
