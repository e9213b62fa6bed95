import { AppError } from '@sallyport/errors';

import { hashPassword, lengthProblem, normalizedPassword } from './password.ts';
import type { PasswordJudge } from './password-judge.ts';

/**
 * Guesses, as a power of ten, an attacker must need who knows the lists of leaked and common passwords, how people vary
 * them, and whose password it is. At 20 ms a guess, ten thousand millions are six years.
 */
const MIN_GUESSES_LOG10 = 10;

/** Every password has these to guess from. */
const OUR_NAME = 'sallyport';

const words = (texts: readonly string[]): string[] => [
  ...new Set(
    texts.flatMap((text) => {
      const folded = normalizedPassword(text).toLowerCase();
      return [folded, ...folded.split(/[^\p{L}\p{N}]+/u)].filter((word) => word.length > 2 && word.length <= 64);
    }),
  ),
];

const refuse = (detail: string, code: string): never => {
  throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer: '/password', code }] });
};

/**
 * The hash of a new password, if it is good enough: long enough, and neither common, leaked, a variation of those, nor
 * made of what is known about its owner. There is no rule about kinds of characters (NIST SP 800-63B-4 §3.1.1.2).
 *
 * @param context names and addresses of whoever chooses it
 * @throws INVALID_VALUE with what to do better; UNAVAILABLE
 */
export const hashNewPassword = async (
  judge: PasswordJudge,
  password: string,
  context: readonly string[],
): Promise<string> => {
  const problem = lengthProblem(password);
  if (problem !== null) refuse(problem, 'length');
  const guesses = await judge.guessesLog10(normalizedPassword(password), words([OUR_NAME, ...context]));
  if (guesses < MIN_GUESSES_LOG10)
    refuse(
      'This password is too easy to guess. Four words that nobody else would put together make a good one.',
      'weak',
    );
  return await hashPassword(password);
};
