/**
 * Accounts: who exists, and whether they still have access.
 *
 * Owns: account rows, their standing (status, epoch) and the one door through which access ends. Does not own:
 * credentials (sessions/, tokens/, provider/ void their own inside the door's transaction), groups, SCIM's shapes.
 */
export type { CredentialVoiders, VoidCredentials, VoidRequest } from './credential-voiders.ts';
