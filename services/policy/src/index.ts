/** What the launcher and the tests need of this service; no other service imports it. */
export { readPolicyConfig, type PolicyConfig } from './config.ts';
export { createContext, type ContextOverrides, type PolicyContext } from './context.ts';
export { migrations } from './migrations/index.ts';
export { startServer, type RunningServer } from './server.ts';
