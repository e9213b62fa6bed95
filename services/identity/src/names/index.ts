export { nameRoutes } from './routes.ts';
