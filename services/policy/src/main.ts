import { hardenProcess } from '@sallyport/http';

import { readPolicyConfig } from './config.ts';
import { createContext } from './context.ts';
import { startServer } from './server.ts';

const config = readPolicyConfig();
const context = await createContext(config);
hardenProcess();
const server = await startServer(context);
context.logger.info({ ready: true, httpPort: server.httpPort, grpcPort: server.grpcPort }, 'ready');

const stop = (signal: string): void => {
  context.logger.info({ signal }, 'stopping');
  server
    .close()
    .then(() => context.dispose())
    .then(
      () => process.exit(0),
      (error: unknown) => {
        context.logger.error({ err: error }, 'stopping failed');
        process.exit(1);
      },
    );
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
