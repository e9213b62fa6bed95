/**
 * What a request to the token endpoint reads and writes: one statement each. The first is read at one moment under the one
 * condition (token-store.ts), the second is written before the request is answered.
 */
import { errors } from 'oidc-provider';

import type { SubjectClaims } from './account-store.ts';
import type { FoundArtifact, NewArtifact } from './artifact-store.ts';
import { providerRequest } from './request-session.ts';
import type { FoundTogether, Issued, Shown, ShownKey, UsedUp } from './token-store.ts';

/** What one request to the token endpoint has read at once and writes at once. */
export class TokenRequest {
  /** What the code or refresh token of the request hangs on, read with it; each is given out once. */
  #together: FoundTogether | undefined;
  #shown: Shown | undefined;

  #usedUp: UsedUp | undefined;
  #accountId: string | undefined;
  readonly #artifacts: NewArtifact[] = [];

  /** Whether it has read what it shows. */
  get hasRead(): boolean {
    return this.#together !== undefined;
  }

  readTogether(shown: Shown, together: FoundTogether): void {
    this.#shown = shown;
    this.#together = together;
  }

  /** Null: it is not there. Undefined: something else has been read, or nothing. */
  takeArtifact({ model, idHash }: ShownKey): FoundArtifact | null | undefined {
    const shown = this.#shown;
    if (shown?.model !== model || !shown.idHash.equals(idHash)) return undefined;
    this.#shown = undefined;
    return this.#together?.artifact ?? null;
  }

  takeGrant(idHash: Buffer): FoundArtifact | null {
    const grant = this.#together?.grant ?? null;
    if (this.#together === undefined || grant === null || !grant.idHash.equals(idHash)) return null;
    this.#together = { ...this.#together, grant: null };
    return grant.found;
  }

  takeSession(uid: string): FoundArtifact | null {
    const session = this.#together?.session ?? null;
    if (this.#together === undefined || session?.uid !== uid) return null;
    this.#together = { ...this.#together, session: null };
    return session.found;
  }

  takeSubject(accountId: string): SubjectClaims | null {
    const subject = this.#together?.subject ?? null;
    if (this.#together === undefined || subject?.accountId !== accountId) return null;
    this.#together = { ...this.#together, subject: null };
    return subject;
  }

  /** False when something is used up already: a request uses up one thing. */
  useUp(usedUp: UsedUp): boolean {
    if (this.#usedUp !== undefined) return false;
    this.#usedUp = usedUp;
    return true;
  }

  /** False when it has to be written by itself: nothing has been used up for it. */
  issue(artifact: NewArtifact, accountId: string): boolean {
    if (this.#usedUp === undefined || (this.#accountId ?? accountId) !== accountId) return false;
    this.#accountId = accountId;
    this.#artifacts.push(artifact);
    return true;
  }

  /** What is to be written; null when it is nothing. Of a request that has failed only what it has used up. */
  take(hasSucceeded: boolean): Issued | null {
    const usedUp = this.#usedUp;
    this.#usedUp = undefined;
    if (usedUp === undefined) return null;
    return { usedUp, accountId: this.#accountId ?? '', artifacts: hasSucceeded ? this.#artifacts : [] };
  }
}

interface Answer {
  status: number;
  body: unknown;
}

/**
 * Writes what the request has gathered, and withholds its answer when that fails: nobody is given a token that is not
 * written. @throws whatever `write` throws, but for a grant that is gone or was used twice, which is answered
 */
export const settleTokenRequest = async (answer: Answer, write: (issued: Issued) => Promise<void>): Promise<void> => {
  const issued = providerRequest()?.token?.take(answer.status === 200);
  if (issued === null || issued === undefined) return;
  try {
    await write(issued);
  } catch (error) {
    if (!(error instanceof errors.InvalidGrant)) throw error;
    answer.status = error.statusCode;
    answer.body = { error: error.error, error_description: error.error_description };
  }
};
