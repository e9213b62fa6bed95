import { waitFor } from '@sallyport/dev-env';
import { createGrpcClient, type GrpcClient } from '@sallyport/grpc';
import {
  SubjectFeedServiceClient,
  type FollowResponse,
  type Grant,
  type LogEntry,
  type SubjectFeedServiceService,
} from '@sallyport/proto/identity/v1';
import { silentLogger } from '@sallyport/telemetry';

import { certificate, DEPLOYMENT, type TestIdentity } from './identity.ts';

export type FeedClient = GrpcClient<SubjectFeedServiceService>;

/** A client of the feed with the certificate of a service. */
export const feedClient = async (identity: TestIdentity, service = 'policy'): Promise<FeedClient> =>
  createGrpcClient(SubjectFeedServiceClient, {
    address: `127.0.0.1:${String(identity.server.grpcPort)}`,
    tls: await certificate(service),
    serverName: 'identity',
    deployment: DEPLOYMENT,
    logger: silentLogger(),
  });

const RENEW_INTERVAL_MS = 50;

/** A replica that follows one or all organisations over real gRPC and keeps everything it was told. */
export class Follower {
  readonly entries: LogEntry[] = [];
  readonly grants: Grant[] = [];
  readonly resyncs: string[] = [];
  readonly applied = new Map<string, bigint>();
  /** Set: it receives and applies, but neither acknowledges nor renews. */
  isMute = false;
  readonly #stream;
  readonly #timer: NodeJS.Timeout;
  readonly #done: Promise<void>;
  #nonce = 0n;

  constructor(client: FeedClient, replicaId = 'replica') {
    this.#stream = client.bidi('follow');
    this.#stream.offer({
      message: {
        $case: 'hello',
        value: { replicaId, bootId: `${replicaId}-boot`, protocolVersion: 1, logId: '', cursors: [] },
      },
    });
    this.#timer = setInterval(() => {
      this.renew();
    }, RENEW_INTERVAL_MS);
    this.#done = this.#receive().catch(() => undefined);
  }

  renew(): void {
    if (this.isMute) return;
    this.#nonce += 1n;
    const applied = [...this.applied].map(([orgId, position]) => ({ orgId, position }));
    this.#stream.offer({ message: { $case: 'renew', value: { nonce: this.#nonce, applied } } });
  }

  /** Renews no more, once the last Renew has been answered: from here on only a wake-up can bring anything. */
  async fallSilent(): Promise<void> {
    this.isMute = true;
    await waitFor(() => this.grants.at(-1)?.nonce === this.#nonce, { message: 'the last Renew is answered' });
  }

  async #receive(): Promise<void> {
    for await (const { message } of this.#stream) this.#apply(message);
  }

  #apply(message: FollowResponse['message']): void {
    if (message?.$case === 'grant') this.grants.push(message.value);
    if (message?.$case === 'resync') this.resyncs.push(`${message.value.orgId} ${message.value.reason}`);
    if (message?.$case === 'delta')
      for (const entry of message.value.entries) {
        this.entries.push(entry);
        this.applied.set(entry.orgId, entry.position);
        // What is applied is acknowledged at once, as a real replica does.
        this.renew();
      }
  }

  of(orgId: string): LogEntry[] {
    return this.entries.filter((entry) => entry.orgId === orgId);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stream.cancel();
    await this.#done;
  }
}
