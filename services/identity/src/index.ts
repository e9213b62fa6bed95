/**
 * Identity: who somebody is, and whether they still are.
 *
 * The service is a program (`main.ts`); this door is for the tools that generate the reference of its settings and API.
 */
export { definition as settings } from './config.ts';
export { routes } from './server.ts';
