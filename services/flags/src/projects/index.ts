export { demandsReview, type Environment, type Project, type Tier, tierSchema } from './environment.ts';
