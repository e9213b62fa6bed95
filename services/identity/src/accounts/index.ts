/**
 * Accounts: who exists, and whether they still have access.
 *
 * Owns: account rows, their standing (status, epoch) and the one door through which access ends. Does not own:
 * credentials (sessions/, tokens/, provider/ void their own inside the door's transaction), groups, SCIM's shapes.
 */
export { emailsOf, type Account, type AccountStatus, type Profile } from './account.ts';
export { changeOwner, ownerOfCaller } from './change-owner.ts';
export { assertOwnedBy, findOwnership, lockOwnerForIssue, peopleBehind } from './owner-store.ts';
export { awaitEffective } from './await-effective.ts';
export { createAccount, type CreateAccount } from './create-account.ts';
export { createNewcomers, type Newcomer } from './create-newcomers.ts';
export type { CredentialVoiders, VoidCredentials, VoidRequest } from './credential-voiders.ts';
export {
  closeAccess,
  closeSession,
  MAX_ACCOUNTS_PER_DOOR,
  type Closed,
  type CloseRequest,
  type DoorDependencies,
  type VoidedCounts,
} from './deactivate.ts';
export { holdAccess } from './hold-access-store.ts';
export { foldCase } from './fold-case.ts';
export { refuseDirectoryOwned } from './directory-owned.ts';
export { wasNameOfRemovedAnywhere } from './name-store.ts';
export { provisionAccount, type ProvisionAccount } from './provision-account.ts';
export { openAccess, type OpenRequest } from './reactivate.ts';
export { accountRoutes } from './routes.ts';
export { searchDocumentOf } from './search-document.ts';
export {
  findAccount,
  findAccountByUserName,
  listAccounts,
  listAccountsById,
  listByConnectionHold,
  lockAccounts,
} from './store.ts';
export { hasUnseen, hasUnseenInName } from './unseen.ts';
export { updateAccount, type AccountUpdate } from './update-account.ts';
