import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createDevCa, issueDevCertificate, type DevCertificate } from '@sallyport/dev-env';
import {
  createGrpcClient,
  startGrpcServer,
  type ClientConstructor,
  type GrpcClient,
  type GrpcServer,
  type GrpcService,
  type ServiceMethods,
} from '@sallyport/grpc';
import { silentLogger } from '@sallyport/telemetry';

const DEPLOYMENT = 'test.example';

/** Certificates of one deployment, and whatever was started with them. */
export class World {
  readonly #directory = mkdtempSync(join(tmpdir(), 'decision-client-'));
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #logger = silentLogger();

  async #certificate(service: string): Promise<DevCertificate> {
    return await issueDevCertificate(await createDevCa(this.#directory), { service, deployment: DEPLOYMENT });
  }

  async serve(name: string, service: GrpcService): Promise<GrpcServer> {
    const server = await startGrpcServer({
      service: name,
      host: '127.0.0.1',
      port: 0,
      tls: await this.#certificate(name),
      deployment: DEPLOYMENT,
      logger: this.#logger,
      services: [service],
    });
    this.#cleanups.unshift(() => server.close());
    return server;
  }

  /** A client with the identity of flags. */
  async client<D extends ServiceMethods>(
    constructor: ClientConstructor<D>,
    port: number,
    serverName: string,
  ): Promise<GrpcClient<D>> {
    const client = createGrpcClient(constructor, {
      address: `127.0.0.1:${String(port)}`,
      tls: await this.#certificate('flags'),
      serverName,
      deployment: DEPLOYMENT,
      logger: this.#logger,
    });
    this.#cleanups.unshift(() => {
      client.close();
    });
    return client;
  }

  async dispose(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0)) await cleanup();
    rmSync(this.#directory, { recursive: true });
  }
}
