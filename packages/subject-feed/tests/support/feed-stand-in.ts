/**
 * Plays the subject log of identity at the other end of real gRPC: a log in memory, streamed as the protocol says. Can
 * misbehave on order.
 */
import { AppError } from '@sallyport/errors';
import { bidi, grpcService, serverStream, type BidiStream, type GrpcService } from '@sallyport/grpc';
import {
  SubjectFeedServiceService,
  type Cursor,
  type FollowRequest,
  type FollowResponse,
  type GroupState,
  type LogEntry,
  type SubjectState,
} from '@sallyport/proto/identity/v1';
import { digestOf } from '@sallyport/subject-feed';

type Stream = BidiStream<FollowRequest, FollowResponse>;

interface Follower {
  readonly stream: Stream;
  readonly sent: Map<string, bigint>;
  granted: Map<string, bigint>;
}

/** What a test may make the feed do wrong with the next deltas. */
export type DeltaFault = (entries: LogEntry[]) => LogEntry[];

const TTL_MS = 5_000;

export class FeedStandIn {
  /** What replicas said when they connected, newest last. */
  readonly hellos: { readonly logId: string; readonly cursors: ReadonlyMap<string, bigint> }[] = [];
  readonly snapshots: string[] = [];
  readonly applied = new Map<string, bigint>();
  logId = 'log-1';
  /** While true nothing is answered: streams stay open and silent. */
  isSilent = false;
  deltaFault: DeltaFault | null = null;
  /** Snapshots are answered when this resolves. */
  snapshotGate: Promise<void> = Promise.resolve();
  readonly #logs = new Map<string, LogEntry[]>();
  readonly #followers = new Set<Follower>();

  /** Commits one entry and streams it. Returns its position. */
  commit(
    orgId: string,
    subjects: readonly Partial<SubjectState>[],
    groups: readonly Partial<GroupState>[] = [],
  ): bigint {
    const log = this.#log(orgId);
    const position = BigInt(log.length + 1);
    log.push({
      orgId,
      position,
      cause: 'test',
      subjects: subjects.map((state) => ({
        subjectId: '',
        type: 1,
        active: true,
        epoch: 1n,
        groupIds: [],
        deleted: false,
        ...state,
      })),
      groups: groups.map((state) => ({ groupId: '', displayName: 'group', deleted: false, ...state })),
      requestId: '',
      committedAt: undefined,
    });
    for (const follower of this.#followers) this.#deliver(follower);
    return position;
  }

  /** An organisation without entries. */
  addOrganization(orgId: string): void {
    this.#log(orgId);
  }

  /** Another log takes the place of this one, with nothing in it. */
  replaceLog(logId: string): void {
    this.logId = logId;
    this.#logs.clear();
  }

  /** Sends whatever a test wants to every replica. */
  send(message: NonNullable<FollowResponse['message']>): void {
    for (const { stream } of this.#followers) stream.offer({ message });
  }

  /** Forgets who follows: the server is gone. */
  protected forgetFollowers(): void {
    this.#followers.clear();
  }

  /** The service to serve, for these followers. */
  feedService(allow: readonly string[]): GrpcService {
    return grpcService(SubjectFeedServiceService, {
      follow: {
        allow,
        handler: bidi<FollowRequest, FollowResponse>(async (stream) => {
          await this.#follow(stream);
        }),
      },
      snapshot: {
        allow,
        handler: serverStream(async ({ orgId }, stream) => {
          this.snapshots.push(orgId);
          await this.snapshotGate;
          await stream.write({ logId: this.logId, ...this.#snapshot(orgId) });
        }),
      },
    });
  }

  #log(orgId: string): LogEntry[] {
    const known = this.#logs.get(orgId);
    if (known !== undefined) return known;
    const created: LogEntry[] = [];
    this.#logs.set(orgId, created);
    return created;
  }

  #heads(): Map<string, bigint> {
    return new Map([...this.#logs].map(([orgId, log]) => [orgId, BigInt(log.length)]));
  }

  #snapshot(orgId: string): { position: bigint; subjects: SubjectState[]; groups: GroupState[] } {
    const log = this.#logs.get(orgId);
    if (log === undefined) throw new AppError('NOT_FOUND', 'There is no such organisation.');
    const subjects = new Map<string, SubjectState>();
    const groups = new Map<string, GroupState>();
    for (const entry of log) {
      for (const state of entry.subjects) subjects.set(state.subjectId, state);
      for (const state of entry.groups) groups.set(state.groupId, state);
    }
    return { position: BigInt(log.length), subjects: [...subjects.values()], groups: [...groups.values()] };
  }

  async #follow(stream: Stream): Promise<void> {
    const first = await stream.next();
    if (first.done === true || first.value.message?.$case !== 'hello') throw new AppError('INVALID_REQUEST', 'Hello?');
    const { logId, cursors } = first.value.message.value;
    this.hellos.push({ logId, cursors: toMap(cursors) });
    const follower: Follower = { stream, sent: toMap(cursors), granted: new Map() };
    this.#followers.add(follower);
    try {
      for await (const { message } of stream) {
        if (message?.$case !== 'renew') continue;
        for (const { orgId, position } of message.value.applied) this.applied.set(orgId, position);
        if (!this.isSilent) this.#grant(follower, message.value.nonce);
      }
    } finally {
      this.#followers.delete(follower);
    }
  }

  #deliver({ stream, sent }: Follower): void {
    if (this.isSilent) return;
    for (const [orgId, log] of this.#logs) {
      let entries = log.slice(Number(sent.get(orgId) ?? 0n));
      sent.set(orgId, BigInt(log.length));
      if (entries.length === 0) continue;
      if (this.deltaFault !== null) entries = this.deltaFault(entries);
      this.deltaFault = null;
      if (entries.length > 0) stream.offer({ message: { $case: 'delta', value: { entries } } });
    }
  }

  #grant(follower: Follower, nonce: bigint): void {
    this.#deliver(follower);
    const heads = this.#heads();
    const changed = [...heads].filter(([orgId, position]) => follower.granted.get(orgId) !== position);
    follower.granted = heads;
    follower.stream.offer({
      message: {
        $case: 'grant',
        value: {
          nonce,
          logId: this.logId,
          heads: changed.map(([orgId, position]) => ({ orgId, position })),
          digest: digestOf(heads),
          ttlMs: TTL_MS,
        },
      },
    });
  }
}

const toMap = (cursors: readonly Cursor[]): Map<string, bigint> =>
  new Map(cursors.map(({ orgId, position }) => [orgId, position]));
