import process from 'node:process';

import { ConfigError } from '@sallyport/config';
import { isAppError } from '@sallyport/errors';
import { hardenProcess } from '@sallyport/http';
import type { Logger } from '@sallyport/telemetry';

import type { RunningServer } from './serve.ts';

export interface RunnableService<Context extends { readonly logger: Logger; dispose(): Promise<void> }> {
  createContext(): Promise<Context>;
  startServer(context: Context): Promise<RunningServer>;
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** A person reads this before anything is set up that could log it. */
const sayWhyNot = (error: unknown): void => {
  const isOurs = error instanceof ConfigError || isAppError(error);
  process.stderr.write(`${isOurs ? error.message : String(error instanceof Error ? error.stack : error)}\n`);
};

/**
 * The life of a service process: context, freeze, serve, and on SIGTERM or SIGINT the reverse. Ends the process with 0
 * after a clean stop and with 1 when starting or stopping failed, with a sentence where the cause is one of ours.
 * Call it last in `main.ts`: nothing may be imported after the freeze.
 */
export const runService = async <Context extends { readonly logger: Logger; dispose(): Promise<void> }>(
  service: RunnableService<Context>,
): Promise<void> => {
  try {
    const context = await service.createContext();
    hardenProcess();
    const server = await service.startServer(context);
    const { httpPort, grpcPort } = server;
    context.logger.info({ ready: true, httpPort, grpcPort }, 'ready');
    const stop = async (signal: string): Promise<void> => {
      context.logger.info({ signal }, 'stopping');
      await server.close();
      await context.dispose();
      process.exit(0);
    };
    for (const signal of STOP_SIGNALS) {
      process.once(signal, () => {
        stop(signal).catch((error: unknown) => {
          context.logger.error({ err: error }, 'stopping failed');
          process.exit(1);
        });
      });
    }
  } catch (error) {
    sayWhyNot(error);
    process.exit(1);
  }
};
