import { readFileSync } from 'node:fs';

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');

/** Passkey ceremonies, driven by `data-passkey` attributes. A file, so that the policy of pages needs no exception. */
export const PASSKEY_SCRIPT = read('./passkeys.browser.js');
/** Moves the secret of a mailed link from the address bar into its form. */
export const LINK_SCRIPT = read('./link.browser.js');
