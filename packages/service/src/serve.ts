import { startGrpcServer, type GrpcService, type TlsFiles } from '@sallyport/grpc';
import type { HttpApp } from '@sallyport/http';
import type { Logger, Metrics } from '@sallyport/telemetry';

import type { CommonConfig } from './settings.ts';

export interface RunningServer {
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Finishes what is running, then stops. */
  close(): Promise<void>;
}

export interface Surfaces {
  readonly service: string;
  readonly config: CommonConfig;
  readonly http: HttpApp;
  readonly rpcs: readonly GrpcService[];
  readonly tls: TlsFiles;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Serves HTTP and gRPC; when one of them cannot start, neither stays. */
export const serve = async (surfaces: Surfaces): Promise<RunningServer> => {
  const { service, config, http, tls, logger, metrics } = surfaces;
  const grpc = await startGrpcServer({
    service,
    host: config.grpcHost,
    port: config.grpcPort,
    tls,
    deployment: config.deployment,
    logger,
    metrics,
    services: [...surfaces.rpcs],
  });
  try {
    const { port } = await http.listen({ host: config.httpHost, port: config.httpPort });
    return {
      httpPort: port,
      grpcPort: grpc.port,
      close: async () => {
        await Promise.all([http.close(), grpc.drain()]);
        await grpc.close();
      },
    };
  } catch (error) {
    await grpc.close();
    throw error;
  }
};
