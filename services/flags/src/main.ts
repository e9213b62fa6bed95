import { hardenProcess } from '@sallyport/http';

import { readFlagsConfig } from './config.ts';
import { createContext } from './context.ts';
import { startServer } from './server.ts';

const context = await createContext(readFlagsConfig());
hardenProcess();
const server = await startServer(context);
const { httpPort, grpcPort } = server;
context.logger.info({ ready: true, httpPort, grpcPort }, 'ready');

const stop = async (signal: string): Promise<void> => {
  context.logger.info({ signal }, 'stopping');
  await server.close();
  await context.dispose();
  process.exit(0);
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop(signal).catch((error: unknown) => {
      context.logger.error({ err: error }, 'stopping failed');
      process.exit(1);
    });
  });
}
