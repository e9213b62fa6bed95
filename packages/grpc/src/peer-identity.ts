/**
 * The service a certificate names: its one URI SAN `spiffe://<deployment>/service/<name>`.
 * @see SPIFFE X.509-SVID §2 (exactly one URI SAN) and §4.1
 */
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/** One entry as Node prints it: `TYPE:value`, the value JSON-quoted when it holds a comma, quote or control. */
const ENTRY = /^([A-Za-z][A-Za-z0-9 ]*):(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?:, |$)/s;

const subjectAltNames = (text: string): readonly { type: string; value: string }[] | null => {
  const found: { type: string; value: string }[] = [];
  let rest = text;
  while (rest !== '') {
    const match = ENTRY.exec(rest);
    if (match === null) return null;
    // A quoted value holds characters no identity of ours has: it is kept apart, never unquoted.
    found.push({ type: match[1] ?? '', value: match[3] ?? `"${match[2] ?? ''}"` });
    rest = rest.slice(match[0].length);
  }
  return found;
};

/**
 * Name of the service, or null when the certificate is not one of a service of this deployment: no SAN, several
 * URI SANs, another trust domain, another path. `altNames` is Node's `PeerCertificate.subjectaltname`, which escapes
 * what could be mistaken for a separator (CVE-2021-44532); anything that does not parse is refused.
 */
export const serviceIdentity = (altNames: string | undefined, deployment: string): string | null => {
  if (altNames === undefined) return null;
  const uris = subjectAltNames(altNames)?.filter((entry) => entry.type === 'URI') ?? [];
  const uri = uris.length === 1 ? uris[0]?.value : undefined;
  const prefix = serviceUri(deployment, '');
  if (uri === undefined || !uri.startsWith(prefix)) return null;
  const name = uri.slice(prefix.length);
  return NAME.test(name) ? name : null;
};

/** `spiffe://<deployment>/service/<name>`: what a certificate of the service carries as URI SAN. */
export const serviceUri = (deployment: string, name: string): string => `spiffe://${deployment}/service/${name}`;
