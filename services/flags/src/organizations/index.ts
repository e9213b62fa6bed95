/** Organisations as far as this service knows them: a row to hang projects on, and an audit log. Owned by identity. */
export { operatorService } from './rpc.ts';
