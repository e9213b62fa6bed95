/** What the launcher and the tests need of this service; no other service imports it. */
export { createContext, type ContextOverrides, type IdentityContext } from './context.ts';
export { migrations } from './migrations/index.ts';
export { startServer, type RunningServer } from './server.ts';
