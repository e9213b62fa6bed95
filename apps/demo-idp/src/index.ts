/** The demo identity provider as a library, for tests and tools that start it in their own process. */
export { readSettings, type Settings, type Flavor } from './config.ts';
export { startDemoIdp, type DemoIdpOverrides, type RunningDemoIdp } from './server.ts';
