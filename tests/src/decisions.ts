import { Decision } from '@sallyport/proto/policy/v1';

import { askPolicy, type Company } from './company.ts';
import type { Project } from './project.ts';
import { nowMs } from './time.ts';

/** One question to policy and what became of it. */
export interface Sample {
  readonly beganMs: number;
  readonly allowed: boolean;
  /** Reason of the answer; `NO_ANSWER` when there was none in time. */
  readonly reason: string;
  /** Until when the answer may be acted upon, counted from when the question was sent. */
  readonly validUntilMs: number;
}

/** Asks policy without pause whether somebody may toggle in the project's staging. */
export interface DecisionWatch {
  readonly samples: readonly Sample[];
  /** Asks no more; returns when the last answer is in. */
  stop(): Promise<void>;
}

const DEADLINE_MS = 400;

export const askOnce = async (
  company: Company,
  subjectId: string,
  { projectId, stagingId: environmentId }: Project,
  deadlineMs: number = DEADLINE_MS,
): Promise<Sample> => {
  const beganMs = nowMs();
  try {
    const answer = await askPolicy(company, subjectId, { projectId, environmentId, deadlineMs });
    const allowed = answer.decision === Decision.DECISION_ALLOW;
    return { beganMs, allowed, reason: answer.reason, validUntilMs: beganMs + answer.validForMs };
  } catch {
    return { beganMs, allowed: false, reason: 'NO_ANSWER', validUntilMs: 0 };
  }
};

export const watchDecisions = (company: Company, subjectId: string, project: Project): DecisionWatch => {
  const samples: Sample[] = [];
  const watching = new AbortController();
  const watch = async (): Promise<void> => {
    while (!watching.signal.aborted) samples.push(await askOnce(company, subjectId, project));
  };
  const watched = watch();
  return {
    samples,
    stop: async () => {
      watching.abort();
      await watched;
    },
  };
};

/** The latest moment until which any of these answers let somebody act; 0 when none did. */
export const lastValidMs = (samples: readonly Sample[]): number =>
  Math.max(0, ...samples.filter(({ allowed }) => allowed).map(({ validUntilMs }) => validUntilMs));

/** Questions asked after a moment and answered with an allow. */
export const allowedAfter = (samples: readonly Sample[], afterMs: number): Sample[] =>
  samples.filter(({ allowed, beganMs }) => allowed && beganMs > afterMs);
