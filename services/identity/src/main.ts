import { hardenProcess } from '@sallyport/http';
import { startTracing } from '@sallyport/telemetry';

import { readIdentityConfig } from './config.ts';
import { createContext } from './context.ts';
import { startServer } from './server.ts';

const config = readIdentityConfig();
const tracing = startTracing({
  service: 'identity',
  ...(config.otlpUrl === undefined ? {} : { otlpUrl: config.otlpUrl }),
});
const context = await createContext(config);
hardenProcess();
const server = await startServer(context);
context.logger.info({ ready: true, httpPort: server.httpPort, grpcPort: server.grpcPort }, 'ready');

const stop = async (signal: string): Promise<void> => {
  context.logger.info({ signal }, 'stopping');
  await server.close();
  await context.dispose();
  await tracing.shutdown();
  process.exit(0);
};
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stop(signal).catch(() => process.exit(1));
  });
}
