import { systemClock } from '@sallyport/storage';

import { DevEnvironmentError } from '../errors.ts';

export type CredentialClass =
  | 'session'
  | 'accessToken'
  | 'refreshToken'
  | 'apiToken'
  | 'policyDecision'
  | 'flagMutation';

/** One use of a credential; answers whether it was let through. Throws when it cannot tell. */
export type Use = () => Promise<boolean>;

/** What a person holds: one way to use each class of credential. */
export type Holdings<Class extends string = CredentialClass> = Readonly<Record<Class, Use>>;

/** Milliseconds from the start of the IdP's deactivation to the first refusal of each class. */
export type RevocationTimes<Class extends string = CredentialClass> = Readonly<Record<Class, number>>;

export interface RevocationMeasurement<Class extends string = CredentialClass> {
  readonly times: RevocationTimes<Class>;
  /** Milliseconds until the IdP had its answer. */
  readonly answeredMs: number;
  /** Classes that let somebody through in a use that began after the IdP had its answer. Must be empty. */
  readonly allowedAfterAnswer: readonly Class[];
}

const GIVE_UP_MS = 10_000;

/**
 * Uses every credential over and over while `deactivate` runs, until each has been refused, and once more after that.
 *
 * @throws UNEXPECTED_ANSWER when a credential did not work before, or still works 10 s later
 */
export const measureRevocation = async <Class extends string>(
  holdings: Holdings<Class>,
  deactivate: () => Promise<void>,
): Promise<RevocationMeasurement<Class>> => {
  const classes = Object.keys(holdings) as Class[];
  for (const name of classes) {
    if (!(await holdings[name]()))
      throw new DevEnvironmentError('UNEXPECTED_ANSWER', `${name} does not work beforehand.`);
  }
  const now = (): number => systemClock.monotonicMs();
  const startedMs = now();
  let answeredMs = Number.POSITIVE_INFINITY;
  const allowedAfterAnswer = new Set<Class>();
  const use = async (name: Class): Promise<boolean> => {
    const beganMs = now();
    const allowed = await holdings[name]();
    if (allowed && beganMs > startedMs + answeredMs) allowedAfterAnswer.add(name);
    return allowed;
  };
  const untilRefused = async (name: Class): Promise<number> => {
    while (await use(name)) {
      if (now() - startedMs > GIVE_UP_MS) throw new DevEnvironmentError('UNEXPECTED_ANSWER', `${name} still works.`);
    }
    return Math.round((now() - startedMs) * 10) / 10;
  };
  const deactivated = deactivate().then(() => {
    answeredMs = now() - startedMs;
  });
  // Together, so that a deactivation that fails says so instead of everything else that goes on working.
  const [measured] = await Promise.all([
    Promise.all(classes.map(async (name) => [name, await untilRefused(name)] as const)),
    deactivated,
  ]);
  for (const name of classes) await use(name);
  return {
    times: Object.fromEntries(measured) as Record<Class, number>,
    answeredMs: Math.round(answeredMs * 10) / 10,
    allowedAfterAnswer: [...allowedAfterAnswer],
  };
};
