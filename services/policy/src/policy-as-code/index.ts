/**
 * Policy as code: a policy as a file, in our YAML or in Casbin's form.
 *
 * Owns: reading and writing the files, the plan between what is there and what a file says, applying it as one change,
 * policy tests. Does not own: the rules of changes (grants/, roles/), what a plan comes to (what-if/), Casbin's lines and
 * their export (model/, engine/).
 */
export { createFileReader, type FileReader } from './file-reader.ts';
export { policyAsCodeRoutes } from './routes.ts';
