import assert from 'node:assert/strict';

import { waitFor } from '@sallyport/dev-env';
import { FollowResponse, type FollowRequest, type Renew } from '@sallyport/proto/identity/v1';
import { newId, systemClock } from '@sallyport/storage';
import { createMetrics, silentLogger } from '@sallyport/telemetry';

import { CommitGuard } from '../src/commit-guard.ts';
import type { FeedSource } from '../src/feed-source.ts';
import { SubjectFeed } from '../src/feed.ts';
import { Lease } from '../src/lease.ts';
import { Standing } from '../src/standing.ts';

const AN_HOUR_MS = 60 * 60 * 1000;

/** A feed whose other side is the test: what it is sent is kept, what it sends is given. */
class HandFedSource implements FeedSource {
  readonly sent: FollowRequest[] = [];
  readonly #responses: FollowResponse[] = [];
  #wake: () => void = () => undefined;
  #cancelled = false;

  follow(): ReturnType<FeedSource['follow']> {
    const stream = {
      offer: (request: FollowRequest): boolean => this.sent.push(request) > 0,
      cancel: (): void => {
        this.#cancelled = true;
        this.#wake();
      },
      [Symbol.asyncIterator]: () => this.#read(),
    };
    return stream as unknown as ReturnType<FeedSource['follow']>;
  }

  async snapshot(): ReturnType<FeedSource['snapshot']> {
    return await Promise.reject(new TypeError('no snapshot here'));
  }

  give(message: FollowResponse['message']): void {
    this.#responses.push(FollowResponse.fromPartial({ message }));
    this.#wake();
  }

  get renewals(): Renew[] {
    return this.sent.flatMap(({ message }) => (message?.$case === 'renew' ? [message.value] : []));
  }

  async *#read(): AsyncGenerator<FollowResponse> {
    while (!this.#cancelled) {
      const next = this.#responses.shift();
      if (next !== undefined) yield next;
      else {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
    }
  }
}

describe('subject feed', () => {
  it('acknowledges entries as soon as they are applied, without waiting for the next renewal', async () => {
    const [orgId, subjectId] = [newId(), newId()];
    const source = new HandFedSource();
    const standing = new Standing();
    standing.load(orgId, { position: 0n, subjects: [], groups: [], logId: 'log' });
    const lease = new Lease(systemClock, 1_000);
    const feed = new SubjectFeed({
      source,
      standing,
      lease,
      guard: new CommitGuard(standing, lease),
      logId: 'log',
      renewalMs: AN_HOUR_MS,
      logger: silentLogger(),
      metrics: createMetrics('policy'),
      onApplied: () => undefined,
    });
    feed.start();
    await waitFor(() => source.renewals.length === 1, { message: 'no first renewal' });
    const subjects = [{ subjectId, type: 1, active: false, epoch: 2n, groupIds: [], deleted: false }];
    const entries = [1n, 2n].map((position) => ({
      orgId,
      position,
      cause: 'test',
      subjects,
      groups: [],
      requestId: 'r',
    }));
    source.give({ $case: 'delta', value: { entries } } as never);
    await waitFor(() => source.renewals.length === 2, { message: 'no acknowledgement' });
    assert.deepEqual(source.renewals[1]?.applied, [{ orgId, position: 2n }]);
    await feed.close();
  });
});
