import { AppError } from '@sallyport/errors';
import {
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus as Serving,
  HealthService,
} from '@sallyport/proto/grpc/health/v1';

import { ANY_SERVICE, grpcService, serverStream, unary, type GrpcService } from './service.ts';

/** Serving state of a server and its services, and the standard health service that tells it. */
export class Health {
  readonly #states = new Map<string, Serving>();
  readonly #changed = new Set<() => void>();

  constructor(serviceNames: readonly string[]) {
    for (const name of ['', ...serviceNames]) this.#states.set(name, Serving.SERVING);
  }

  /** Without a name: the server and all its services. */
  setServing(isServing: boolean, serviceName?: string): void {
    const names = serviceName === undefined ? [...this.#states.keys()] : [serviceName];
    for (const name of names) this.#states.set(name, isServing ? Serving.SERVING : Serving.NOT_SERVING);
    for (const notify of this.#changed) notify();
  }

  /** grpc.health.v1.Health; any service of the deployment may ask. */
  service(): GrpcService {
    return grpcService(HealthService, {
      check: { allow: ANY_SERVICE, handler: unary(({ service }) => Promise.resolve(this.#check(service))) },
      watch: {
        allow: ANY_SERVICE,
        handler: serverStream(async ({ service }, stream, call) => {
          let last: Serving | undefined;
          while (!call.signal.aborted) {
            const change = this.#nextChange(call.signal);
            const status = this.#states.get(service) ?? Serving.SERVICE_UNKNOWN;
            if (status !== last) await stream.write(HealthCheckResponse.fromPartial({ status }));
            last = status;
            await change;
          }
        }),
      },
    });
  }

  #check(service: string): HealthCheckResponse {
    const status = this.#states.get(service);
    if (status === undefined) throw new AppError('NOT_FOUND', 'The service is not known here.');
    return HealthCheckResponse.fromPartial({ status });
  }

  #nextChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#changed.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#changed.add(done);
      signal.addEventListener('abort', done);
    });
  }
}
