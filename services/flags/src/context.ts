import { openFoundation, type Foundation, type FoundationOverrides } from '@sallyport/service';
import { followSubjects } from '@sallyport/subject-feed';

import type { FlagsConfig } from './config.ts';
import { type Delivery, startDelivery } from './delivery/index.ts';
import { connectPeers, type Decisions, type Peers } from './edge/index.ts';
import { migrations } from './migrations/index.ts';
import { policyRegistry, ScopeDelivery } from './projects/index.ts';

/** Everything the slices share; built once per process and passed as parameters. */
export interface FlagsContext extends Foundation {
  readonly config: FlagsConfig;
  readonly peers: Peers;
  readonly decisions: Decisions;
  readonly scopes: ScopeDelivery;
  readonly delivery: Delivery;
  readonly onApplied: (orgId: string, environmentIds: readonly string[]) => Promise<void>;
  /** Releases in reverse order of acquisition. */
  dispose(): Promise<void>;
}

const assemble = async (
  config: FlagsConfig,
  overrides: FoundationOverrides,
  release: AsyncDisposableStack,
): Promise<Omit<FlagsContext, 'dispose'>> => {
  const foundation = await openFoundation({ service: 'flags', config, migrations, overrides }, release);
  const { clock, logger, metrics, tls, db } = foundation;
  const { identityGrpc, policyGrpc, deployment, leaseTtlMs, leaseRenewalMs } = config;
  const shared = { identityGrpc, deployment, tls, logger, metrics };
  const following = followSubjects({ ...shared, clock, leaseTtlMs, leaseRenewalMs });
  release.defer(async () => {
    await following.close();
  });
  const peers = connectPeers({ ...shared, policyGrpc, guard: following.guard });
  release.defer(() => {
    peers.close();
  });
  const scopes = new ScopeDelivery({ db, clock, logger, registry: policyRegistry(peers) });
  scopes.start();
  release.defer(async () => {
    await scopes.stop();
  });
  const delivery = await startDelivery({ db, clock, logger });
  release.defer(async () => {
    await delivery.close();
  });
  const onApplied = async (_orgId: string, environmentIds: readonly string[]): Promise<void> => {
    await delivery.refresh(environmentIds);
  };
  const { decisions } = peers;
  return { ...foundation, config, peers, decisions, scopes, delivery, onApplied };
};

/** Connects to everything. @throws UNAVAILABLE when the database is away or its schema is not the newest */
export const createContext = async (
  config: FlagsConfig,
  overrides: FoundationOverrides = {},
): Promise<FlagsContext> => {
  await using release = new AsyncDisposableStack();
  const context = await assemble(config, overrides, release);
  const held = release.move();
  return {
    ...context,
    dispose: async () => {
      await held.disposeAsync();
    },
  };
};
