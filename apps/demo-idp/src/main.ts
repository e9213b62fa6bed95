import { readEnvironment, readSettings } from './config.ts';
import { startDemoIdp } from './server.ts';

try {
  const idp = await startDemoIdp(readSettings(readEnvironment()), {
    onUnexpected: (error) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : 'unknown failure'}\n`);
    },
  });
  process.stdout.write(
    `${JSON.stringify({ msg: 'ready', service: 'demo-idp', ready: true, httpPort: idp.port, url: idp.origin })}\n`,
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      idp.close().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    });
  }
} catch (error) {
  // A taken port or a wrong setting is a sentence, not a stack trace.
  process.stderr.write(
    `The demo identity provider cannot start: ${error instanceof Error ? error.message : 'unknown failure'}\n`,
  );
  process.exitCode = 1;
}
