import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import {
  SubjectFeedServiceClient,
  SubjectFeedServiceService,
  type FollowRequest,
  type FollowResponse,
} from '@sallyport/proto/identity/v1';
import { CheckRequest, CheckResponse, DecisionServiceClient, DecisionServiceService } from '@sallyport/proto/policy/v1';
import { createLogger, type Logger } from '@sallyport/telemetry';

import {
  bidi,
  createGrpcClient,
  grpcService,
  serviceUri,
  startGrpcServer,
  unary,
  type BidiHandler,
  type GrpcClient,
  type GrpcServer,
  type GrpcServerOptions,
  type GrpcService,
  type TlsFiles,
  type UnaryHandler,
} from '../src/index.ts';
import { createTestCa, type TestCa } from './certificates.ts';

export const DEPLOYMENT = 'test.example';

/** A logger that keeps its lines. */
export const keepingLogger = (): { logger: Logger; lines: Record<string, unknown>[] } => {
  const lines: Record<string, unknown>[] = [];
  const destination = {
    write: (line: string) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
    },
  };
  return { logger: createLogger({ service: 'test', level: 'debug', destination }), lines };
};

export const question = (orgId = 'org'): CheckRequest => CheckRequest.fromPartial({ orgId });
export const answer = (reason: string): CheckResponse => CheckResponse.fromPartial({ decision: 1, reason });

type CheckHandler = UnaryHandler<CheckRequest, CheckResponse>['run'];
type FollowHandler = BidiHandler<FollowRequest, FollowResponse>['run'];

/** A decision service whose Check does as it is told; flags may call it. */
export const decisionService = (run: CheckHandler, allow: readonly string[] = ['flags']): GrpcService =>
  grpcService(DecisionServiceService, { check: { allow, handler: unary(run) } });

/** A feed whose Follow does as it is told; flags may call it. */
export const feedService = (run: FollowHandler, limits: BidiHandler<unknown, unknown>['limits'] = {}): GrpcService =>
  grpcService(SubjectFeedServiceService, { follow: { allow: ['flags'], handler: bidi(run, limits) } });

export type DecisionTestClient = GrpcClient<DecisionServiceService>;
export type FeedTestClient = GrpcClient<SubjectFeedServiceService>;

/** One certification authority, and whatever was started with it; `dispose` ends everything. */
export class World {
  readonly ca: TestCa;
  readonly kept = keepingLogger();
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  private constructor(ca: TestCa) {
    this.ca = ca;
  }

  static async create(): Promise<World> {
    return new World(await createTestCa('test'));
  }

  onDispose(cleanup: () => void | Promise<void>): void {
    this.#cleanups.unshift(cleanup);
  }

  async dispose(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) await cleanup();
  }

  certificate(service: string, ca: TestCa = this.ca): Promise<TlsFiles> {
    return ca.issue({ uris: [serviceUri(DEPLOYMENT, service)] });
  }

  /** A server that calls itself `policy`. */
  async server(services: readonly GrpcService[], options: Partial<GrpcServerOptions> = {}): Promise<GrpcServer> {
    const server = await startGrpcServer({
      service: 'policy',
      host: '127.0.0.1',
      port: 0,
      tls: options.tls ?? (await this.certificate('policy')),
      deployment: DEPLOYMENT,
      logger: this.kept.logger,
      services,
      ...options,
    });
    this.onDispose(() => server.close());
    return server;
  }

  async #options(port: number, options: { tls?: TlsFiles; serverName?: string }) {
    return {
      address: `127.0.0.1:${String(port)}`,
      tls: options.tls ?? (await this.certificate('flags')),
      serverName: options.serverName ?? 'policy',
      deployment: DEPLOYMENT,
      logger: this.kept.logger,
    };
  }

  async decisionClient(
    port: number,
    options: { tls?: TlsFiles; serverName?: string } = {},
  ): Promise<DecisionTestClient> {
    const client = createGrpcClient(DecisionServiceClient, await this.#options(port, options));
    this.onDispose(() => {
      client.close();
    });
    return client;
  }

  async feedClient(port: number, options: { tls?: TlsFiles; serverName?: string } = {}): Promise<FeedTestClient> {
    const client = createGrpcClient(SubjectFeedServiceClient, await this.#options(port, options));
    this.onDispose(() => {
      client.close();
    });
    return client;
  }
}

/** A TCP proxy that can fall silent: connections stay open, new ones are accepted, no byte passes. */
export class TcpProxy {
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((near) => {
    this.#forward(near);
  });
  #isSilent = false;
  /** How many connections were made so far. */
  connections = 0;

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  #forward(near: Socket): void {
    this.#keep(near);
    this.connections += 1;
    if (this.#isSilent) return;
    const far = connect(this.#target, '127.0.0.1');
    this.#keep(far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => {
        if (!this.#isSilent) to.write(bytes);
      });
      from.on('close', () => {
        if (!this.#isSilent) to.destroy();
      });
    }
  }

  /** From now on nothing passes, in either direction, and nobody is told. */
  partition(): void {
    this.#isSilent = true;
  }

  /** New connections pass again; what was cut stays cut. */
  heal(): void {
    this.#isSilent = false;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
