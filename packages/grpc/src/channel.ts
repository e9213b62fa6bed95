import { connectivityState, type ChannelCredentials, type Client, type ClientOptions } from '@grpc/grpc-js';
import { AppError } from '@sallyport/errors';
import type { Logger } from '@sallyport/telemetry';

import { CHANNEL_LIMITS, KEEPALIVE } from './limits.ts';

/** What makes a client of a channel: a generated client class. */
export type ClientFactory = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => Client;

const INITIAL_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 2_000;

/** How long calls may wait on a channel that does not become ready before it is replaced. */
const STUCK_AFTER_MS = 2_000;

const clientOptions = (serverName: string): Partial<ClientOptions> => ({
  ...KEEPALIVE,
  ...CHANNEL_LIMITS,
  'grpc.initial_reconnect_backoff_ms': INITIAL_BACKOFF_MS,
  'grpc.max_reconnect_backoff_ms': MAX_BACKOFF_MS,
  // The service is what we ask for, not the address it happens to have.
  'grpc.ssl_target_name_override': serverName,
  'grpc.default_authority': serverName,
  // There is no retry policy, so only a call that no server has begun is sent again: one that found its connection
  // closing (gRFC A6, transparent retries). 'grpc.enable_retries': 0 would switch that off and lose such calls.
  // Nothing from the environment, DNS or other clients of the process decides where we connect.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.enable_channelz': 0,
});

/**
 * A channel that cannot get stuck. grpc-js sets no limit to a TCP connect or to the HTTP/2 preface: after a
 * partition a channel can wait minutes for the operating system to give up, long after the network has healed. When
 * calls have waited 2 s for a connection, this replaces the channel; those calls fail with UNAVAILABLE.
 */
export class Channel {
  readonly #create: () => Client;
  readonly #logger: Logger;
  #client: Client;
  #watchdog: NodeJS.Timeout | undefined;
  #pending = 0;
  #closed = false;

  constructor(
    factory: ClientFactory,
    target: { address: string; credentials: ChannelCredentials; serverName: string; logger: Logger },
  ) {
    this.#create = () => new factory(target.address, target.credentials, clientOptions(target.serverName));
    this.#logger = target.logger;
    this.#client = this.#create();
  }

  /** The client to make the next call on; do not keep it. */
  get client(): Client {
    return this.#client;
  }

  /**
   * Marks a call as running; returns what to call when it is over.
   *
   * @param eager connect now: a channel that backs off, and that nobody waits on, starts over with a new one
   * @throws UNAVAILABLE when the channel was closed
   */
  begin({ eager }: { readonly eager: boolean } = { eager: false }): () => void {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'The client is closed.');
    if (eager && this.#pending === 0 && this.#state() === connectivityState.TRANSIENT_FAILURE) this.#startOver();
    this.#pending += 1;
    if (this.#watchdog === undefined && !this.#isReady()) this.#watch();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#pending -= 1;
    };
  }

  #state(): connectivityState {
    return this.#client.getChannel().getConnectivityState(false);
  }

  #isReady(): boolean {
    return !this.#closed && this.#state() === connectivityState.READY;
  }

  #startOver(): void {
    this.#client.close();
    this.#client = this.#create();
  }

  #watch(): void {
    this.#watchdog = setTimeout(() => {
      this.#watchdog = undefined;
      if (this.#closed || this.#isReady()) return;
      if (this.#pending > 0) {
        this.#logger.debug({ stuckAfterMs: STUCK_AFTER_MS }, 'no connection: starting over with a new channel');
        this.#startOver();
      }
    }, STUCK_AFTER_MS);
    this.#watchdog.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#watchdog);
    this.#client.close();
  }
}
