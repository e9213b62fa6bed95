import type { Clock } from './clock.ts';
import type { Directory } from './directory/directory.ts';
import type { ExchangeLog } from './exchange-log.ts';
import type { SamlKeys } from './saml/keys.ts';
import type { Provisioner } from './scim/provisioner.ts';
import type { StateStore } from './state/store.ts';

/** What every part of the program is given; built once, in `server.ts`. */
export interface DemoIdpContext {
  /** Public origin without a trailing slash. */
  readonly origin: string;
  readonly clock: Clock;
  readonly store: StateStore;
  readonly directory: Directory;
  readonly log: ExchangeLog;
  readonly samlKeys: SamlKeys;
  readonly provisioner: Provisioner;
}
