import { OidcRefusal } from './reasons.ts';

/** OIDC Core §2: a subject must not be longer. */
const MAX_SUBJECT_CHARS = 255;
/** As logout tokens and the account rule name them. */
const MAX_ID_CHARS = 512;

/** Whether a row or an entry of ours can hold a text. */
export const isStorable = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** What a login is read from. */
export interface LoginTexts {
  readonly subject: string;
  readonly attributes: readonly (readonly [name: string, values: readonly string[]])[];
  readonly acr: string | null;
  readonly amr: readonly string[];
  readonly idpSession: string | null;
}

/**
 * The texts of a login can be kept, and are no longer than what they are compared with later on. They come out of JSON,
 * where a string may hold anything.
 * @throws OidcRefusal TOKEN_MALFORMED
 */
export const checkTexts = ({ subject, attributes, acr, amr, idpSession }: LoginTexts): void => {
  const texts = [subject, ...attributes.flatMap(([name, values]) => [name, ...values])];
  if (!texts.every(isStorable)) throw new OidcRefusal('TOKEN_MALFORMED', 'characters');
  if (subject.length > MAX_SUBJECT_CHARS) throw new OidcRefusal('TOKEN_MALFORMED', 'sub');
  const isTooLong = (text: string | null): boolean => text !== null && text.length > MAX_ID_CHARS;
  if (isTooLong(idpSession)) throw new OidcRefusal('TOKEN_MALFORMED', 'sid');
  if ([acr, ...amr].some(isTooLong)) throw new OidcRefusal('TOKEN_MALFORMED', 'acr');
};
