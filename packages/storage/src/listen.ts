import pg from 'pg';

export type Unlisten = () => Promise<void>;

interface ListenOptions {
  readonly url: string;
  readonly applicationName: string;
  readonly channel: string;
  readonly onNotify: (payload: string) => void;
  readonly onArmed: () => void;
  readonly onError: (error: unknown) => void;
}

const RECONNECT_FIRST_MS = 50;
const RECONNECT_MAX_MS = 2_000;

/**
 * LISTEN on a connection of its own, re-armed whenever that connection is lost.
 *
 * A notification is a hint, never the truth: after every (re)connection `onArmed` runs, and the listener must read
 * then, because whatever was sent while nobody listened is gone.
 */
class Listener {
  readonly #options: ListenOptions;
  #client: pg.Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  #delayMs = RECONNECT_FIRST_MS;
  #stopped = false;

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: this.#options.applicationName,
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
    });
    this.#client = client;
    client.on('notification', (message) => {
      this.#options.onNotify(message.payload ?? '');
    });
    client.on('error', (error) => {
      this.#options.onError(error);
    });
    client.on('end', () => {
      this.#reconnectLater();
    });
    await client.connect();
    await client.query(`LISTEN ${client.escapeIdentifier(this.#options.channel)}`);
    this.#delayMs = RECONNECT_FIRST_MS;
    this.#options.onArmed();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    await this.#client?.end().catch(() => undefined);
  }

  #reconnectLater(): void {
    if (this.#stopped || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.connect().catch((error: unknown) => {
        this.#options.onError(error);
        this.#reconnectLater();
      });
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_MAX_MS);
  }
}

export const listen = async (options: ListenOptions): Promise<Unlisten> => {
  const listener = new Listener(options);
  await listener.connect();
  return async () => {
    await listener.stop();
  };
};
