import { secretHash } from '@sallyport/storage';

/** `state` is looked up by its hash: who can read our database cannot answer for a browser. */
export const requestKeyOf = (state: string): string => secretHash(state).toString('hex');
