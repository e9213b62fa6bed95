import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Flavor } from '../config.ts';
import { seedGroups, seedPeople } from '../directory/people.ts';
import { DemoIdpError } from '../errors.ts';
import { DEFAULT_BEHAVIOR, type DemoState } from './state.ts';

/** The state of the program and the way to make it outlive a restart. */
export interface StateStore {
  readonly state: DemoState;
  /** Writes the whole state; without a folder it does nothing. Call it after every change. */
  save(): void;
}

const FILE_NAME = 'demo-idp.json';

/**
 * Opens the state of a folder, or a fresh one in memory when the folder is null.
 * The file is replaced atomically and readable by its owner only: it holds private keys and tokens.
 * @throws STATE_UNREADABLE when the file is not a state of this program; it is never overwritten then.
 */
export function openStateStore(stateDir: string | null, flavor: Flavor): StateStore {
  if (stateDir === null) return { state: freshState(flavor), save: () => undefined };
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, FILE_NAME);
  const store: StateStore = {
    state: readState(path) ?? freshState(flavor),
    save: () => {
      const temporary = `${path}.tmp`;
      writeFileSync(temporary, `${JSON.stringify(store.state, null, 2)}\n`, { mode: 0o600 });
      // An older temporary file keeps its own mode, so the mode is set again.
      chmodSync(temporary, 0o600);
      renameSync(temporary, path);
    },
  };
  store.save();
  return store;
}

function freshState(flavor: Flavor): DemoState {
  return {
    version: 1,
    flavor,
    behavior: { ...DEFAULT_BEHAVIOR, samlPublishedKeys: [...DEFAULT_BEHAVIOR.samlPublishedKeys] },
    targets: { scim: null, saml: null, oidc: null },
    people: seedPeople(),
    groups: seedGroups(),
    outcomes: {},
    ledger: { targetKey: '', users: {}, groups: {} },
    keys: { saml: {}, oidcPrivateKeyPem: null, cookieSecret: null },
  };
}

function readState(path: string): DemoState | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw unreadable(path, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (!isState(value)) throw unreadable(path, null);
  return value;
}

function isState(value: unknown): value is DemoState {
  return (
    typeof value === 'object' &&
    value !== null &&
    'version' in value &&
    value.version === 1 &&
    ['flavor', 'behavior', 'targets', 'people', 'groups', 'outcomes', 'ledger', 'keys'].every((key) => key in value)
  );
}

function unreadable(path: string, cause: unknown): DemoIdpError {
  return new DemoIdpError(
    'STATE_UNREADABLE',
    `${path} is not a state file of the demo identity provider; move it away to start afresh.`,
    {
      cause,
    },
  );
}
