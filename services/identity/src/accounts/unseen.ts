const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/u;
const JOINERS = /[\u200c\u200d]/u;

/** True for a text with characters nobody sees, by which it looks like another one. Joiners are part of some scripts. */
export const hasUnseen = (text: string): boolean => UNSEEN.test(text);

/** The same of what somebody signs in with: zero-width joiners are part of words in some scripts, but not of that. */
export const hasUnseenInName = (text: string): boolean => hasUnseen(text) || JOINERS.test(text);
