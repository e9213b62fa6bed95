/** Within one organisation the urgent go first; the others get every fifth turn. */
export type Urgency = 'urgent' | 'normal';

export interface SchedulerSettings {
  /** Jobs that run at the same time. */
  readonly slots: number;
  /** Slots one organisation alone never takes, so that the next one to come need not wait for it. */
  readonly reserved: number;
  /** Jobs of one organisation that may wait. */
  readonly maxQueued: number;
  /** Share of an organisation relative to the others; default 1 for all. */
  readonly weightOf?: (orgId: string) => number;
}

const URGENT_IN_A_ROW = 4;

interface Lane<Job> {
  readonly orgId: string;
  readonly urgent: Job[];
  readonly normal: Job[];
  running: number;
  urgentInARow: number;
  /** Virtual time at which its next job is due. */
  due: number;
}

/**
 * Weighted fair queueing of jobs by organisation (start-time fair queueing, every job of cost 1). Pure: no time, no I/O.
 *
 * - Bounded: at most `slots` run, at most `slots - reserved` of one organisation, at most `maxQueued` of one wait.
 * - Work-conserving: no job waits while a slot is free that its organisation may take.
 * - No starvation: while a job is first in its lane, every other organisation starts at most two jobs per unit of its
 *   relative weight before it; how many of them wait makes no difference.
 */
export class FairScheduler<Job> {
  readonly #settings: SchedulerSettings;
  readonly #lanes = new Map<string, Lane<Job>>();
  #running = 0;
  #waiting = 0;
  #virtualTime = 0;

  constructor(settings: SchedulerSettings) {
    this.#settings = settings;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Organisations with a job that runs or waits. */
  get lanes(): number {
    return this.#lanes.size;
  }

  waitingOf(orgId: string): number {
    const lane = this.#lanes.get(orgId);
    return lane === undefined ? 0 : lane.urgent.length + lane.normal.length;
  }

  /** False when the next job of this organisation would be refused. */
  hasRoom(orgId: string): boolean {
    return this.waitingOf(orgId) < this.#settings.maxQueued || this.#mayStart(this.#lanes.get(orgId));
  }

  /** Queues a job and answers what is to be started now, in order; undefined when it is refused. */
  offer(orgId: string, urgency: Urgency, job: Job): Job[] | undefined {
    if (!this.hasRoom(orgId)) return undefined;
    const lane = this.#lane(orgId);
    // Who had nothing waiting comes in at the present: neither saved-up turns nor debts from long ago.
    if (this.waitingOf(orgId) === 0) lane.due = Math.max(lane.due, this.#virtualTime);
    lane[urgency].push(job);
    this.#waiting += 1;
    return this.#start();
  }

  /** Says that a job of this organisation has ended; answers what is to be started now. */
  finish(orgId: string): Job[] {
    const lane = this.#lanes.get(orgId);
    if (lane === undefined || lane.running === 0) return [];
    lane.running -= 1;
    this.#running -= 1;
    const started = this.#start();
    this.#forgetIdle(lane);
    return started;
  }

  /** Takes a job back that still waits; false when it does not (any more). */
  withdraw(orgId: string, job: Job): boolean {
    const lane = this.#lanes.get(orgId);
    if (lane === undefined) return false;
    for (const queue of [lane.urgent, lane.normal]) {
      const index = queue.indexOf(job);
      if (index === -1) continue;
      queue.splice(index, 1);
      this.#waiting -= 1;
      this.#forgetIdle(lane);
      return true;
    }
    return false;
  }

  #lane(orgId: string): Lane<Job> {
    const existing = this.#lanes.get(orgId);
    if (existing !== undefined) return existing;
    const lane: Lane<Job> = { orgId, urgent: [], normal: [], running: 0, urgentInARow: 0, due: this.#virtualTime };
    this.#lanes.set(orgId, lane);
    return lane;
  }

  #forgetIdle(lane: Lane<Job>): void {
    if (lane.running === 0 && lane.urgent.length + lane.normal.length === 0) this.#lanes.delete(lane.orgId);
  }

  #mayStart(lane: Lane<Job> | undefined): boolean {
    const { slots, reserved } = this.#settings;
    return this.#running < slots && (lane?.running ?? 0) < Math.max(1, slots - reserved);
  }

  #start(): Job[] {
    const started: Job[] = [];
    for (let lane = this.#next(); lane !== undefined; lane = this.#next()) {
      const job = this.#take(lane);
      if (job === undefined) break;
      this.#virtualTime = Math.max(this.#virtualTime, lane.due);
      lane.due += 1 / (this.#settings.weightOf?.(lane.orgId) ?? 1);
      lane.running += 1;
      this.#running += 1;
      this.#waiting -= 1;
      started.push(job);
    }
    return started;
  }

  /** Of the lanes that wait and may start, the one that is due first; of several, the one that came first. */
  #next(): Lane<Job> | undefined {
    let next: Lane<Job> | undefined;
    if (this.#running >= this.#settings.slots || this.#waiting === 0) return undefined;
    for (const lane of this.#lanes.values()) {
      const isCandidate = lane.urgent.length + lane.normal.length > 0 && this.#mayStart(lane);
      if (isCandidate && (next === undefined || lane.due < next.due)) next = lane;
    }
    return next;
  }

  #take(lane: Lane<Job>): Job | undefined {
    const isTurnOfNormal = lane.urgent.length === 0 || lane.urgentInARow >= URGENT_IN_A_ROW;
    if (isTurnOfNormal && lane.normal.length > 0) {
      lane.urgentInARow = 0;
      return lane.normal.shift();
    }
    lane.urgentInARow += 1;
    return lane.urgent.shift();
  }
}
