/**
 * The key under which names and addresses that ignore case are compared and kept unique. Full-width and other
 * compatibility forms fold onto their plain letters, so that two names nobody can tell apart are one. Idempotent.
 */
export const foldCase = (text: string): string =>
  // Plain letters, the common case, are normal already.
  ASCII.test(text) ? text.toLowerCase() : text.normalize('NFKC').toLowerCase().normalize('NFKC');

const ASCII = /^[ -~]*$/;
