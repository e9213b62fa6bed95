/** Where a login leads when nothing else was asked for. */
export const DEFAULT_RETURN_TO = '/account';
const MAX_LENGTH = 2_000;
/** Paths of our own pages only. Two slashes or a backslash at the start would name another host. */
const OWN_PATH = /^\/(?![/\\])[\x21-\x7E]*$/;

/**
 * A place on our own origin to go to after a login, or the default. Never an address of another host, however written.
 * The text comes from the address bar; it is stored on our side while the login is under way, never sent to an IdP.
 */
export const safeReturnTo = (text: string | undefined, publicOrigin: string): string => {
  if (text === undefined || text.length > MAX_LENGTH || !OWN_PATH.test(text) || text.includes('\\'))
    return DEFAULT_RETURN_TO;
  const url = URL.parse(text, publicOrigin);
  if (url === null || url.origin !== new URL(publicOrigin).origin) return DEFAULT_RETURN_TO;
  const path = url.pathname + url.search + url.hash;
  // Dot segments go away in parsing: "/.//host" has become "//host".
  return OWN_PATH.test(path) ? path : DEFAULT_RETURN_TO;
};
