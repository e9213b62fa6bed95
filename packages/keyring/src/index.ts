/**
 * Envelope encryption.
 *
 * Owns: the master key of a deployment, keys derived for one organisation and purpose, data keys and what is sealed
 * with them. Does not own: where sealed values and wrapped data keys are stored.
 *
 * Master key → (HKDF-SHA-256, one key per organisation and purpose) → data keys (random, wrapped) → values.
 * Everything is AES-256-GCM with a random 96-bit nonce; the format starts with a version byte.
 */
export { openKeyring, type DataKey, type Keyring } from './keyring.ts';
