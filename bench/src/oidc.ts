import type { Benchmark, Measurement } from './benchmark.ts';
import { startOurs } from './oidc/ours.ts';
import { startPeer } from './oidc/peer.ts';
import { TokenEndpoint } from './oidc/token-endpoint.ts';
import { startServer } from './scim/server.ts';

/** Of what a bare oidc-provider does that keeps everything in memory, checks no account and forgets with its process. */
const GOAL = 0.6;
/** As many as keep both sides busy without a pause: what the endpoint can do. */
const MANY = 64;
/** Fewer, who wait for our database more than they keep us busy; the peer has none to wait for. */
const FEW = 16;

type Grant = 'bySecret' | 'byKey' | 'byCode' | 'byRefresh';

const measurementsOf = (ours: TokenEndpoint, peer: TokenEndpoint): Measurement[] => {
  const measurement = (what: string, grant: Grant): Measurement => ({
    name: `${what}, ${String(ours.clients)} clients`,
    unit: 'tokens/s',
    higherIsBetter: true,
    goal: GOAL,
    ours: async () => await ours[grant](),
    reference: async () => await peer[grant](),
  });
  return [
    measurement('client credentials, client_secret_basic', 'bySecret'),
    measurement('client credentials, private_key_jwt', 'byKey'),
    measurement('authorization code and PKCE', 'byCode'),
    measurement('refresh token, rotated', 'byRefresh'),
  ];
};

/** The token endpoint beside a bare oidc-provider: both a process of their own, the same load, the same authentication. */
export const oidc: Benchmark = {
  title: 'OpenID Provider: tokens a second, beside a bare oidc-provider with its memory adapter',
  rounds: 15,
  open: async () => {
    await using release = new AsyncDisposableStack();
    const server = await startServer();
    release.defer(() => server.close());
    const ours = await startOurs(server);
    release.defer(() => ours.close());
    const peer = await startPeer(server);
    release.defer(() => peer.close());
    for (const side of [ours, peer]) await new TokenEndpoint(side, MANY).warmUp();
    const held = release.move();
    return {
      measurements: [MANY, FEW].flatMap((clients) =>
        measurementsOf(new TokenEndpoint(ours, clients), new TokenEndpoint(peer, clients)),
      ),
      close: () => held.disposeAsync(),
    };
  },
};
