import { AppError } from '@sallyport/errors';

import type { Surface } from './route.ts';

const YEAR_SECONDS = 365 * 24 * 60 * 60;

export interface ContentSecurityPolicyOptions {
  /** Origins forms may post to, or be redirected to, besides our own. */
  readonly formAction?: readonly string[];
  /** Origins images may come from besides our own. */
  readonly imgSrc?: readonly string[];
  /** Hashes (`sha256-…`) of the only inline scripts a page may run. */
  readonly scriptHashes?: readonly string[];
}

const ORIGIN = /^https?:\/\/[A-Za-z0-9.-]+(:\d{1,5})?$/;
const HASH = /^sha(256|384|512)-[A-Za-z0-9+/]+={0,2}$/;

const checked = (sources: readonly string[], pattern: RegExp): readonly string[] => {
  const wrong = sources.find((source) => !pattern.test(source));
  if (wrong !== undefined) throw new AppError('INVALID_VALUE', `${wrong} is not a source a policy may name.`);
  return sources;
};

/**
 * The policy of our pages: own files only, no inline script unless its hash is named, never in a frame.
 *
 * @throws INVALID_VALUE for a source that is not an origin (or a hash), so that none can widen the policy
 */
export const contentSecurityPolicy = (options: ContentSecurityPolicyOptions = {}): string => {
  const own = (more: readonly string[] = []): string => ["'self'", ...more].join(' ');
  const hashes = checked(options.scriptHashes ?? [], HASH).map((hash) => `'${hash}'`);
  return [
    "default-src 'none'",
    `script-src ${own(hashes)}`,
    `style-src ${own()}`,
    `img-src ${own(['data:', ...checked(options.imgSrc ?? [], ORIGIN)])}`,
    `font-src ${own()}`,
    `connect-src ${own()}`,
    `form-action ${own(checked(options.formAction ?? [], ORIGIN))}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
};

/** Nothing of a device is ours to use but its passkeys, on our own pages. */
const PERMISSIONS_POLICY = [
  ...['camera', 'microphone', 'geolocation', 'payment', 'usb', 'serial', 'bluetooth', 'midi', 'display-capture'].map(
    (feature) => `${feature}=()`,
  ),
  'publickey-credentials-get=(self)',
  'publickey-credentials-create=(self)',
].join(', ');

type Headers = Readonly<Record<string, string>>;

const common = (isHttps: boolean): Headers => ({
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
  ...(isHttps ? { 'strict-transport-security': `max-age=${String(YEAR_SECONDS)}; includeSubDomains` } : {}),
});

/**
 * Defaults per surface; a response may override each by name.
 *
 * Pages send `same-origin` as referrer policy because under `no-referrer` browsers post forms with `Origin: null`, which
 * the origin check refuses.
 */
export const securityHeaders = (isHttps: boolean): ((surface: Surface) => Headers) => {
  const pages: Headers = {
    ...common(isHttps),
    'content-security-policy': contentSecurityPolicy(),
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': PERMISSIONS_POLICY,
  };
  const messages: Headers = {
    ...common(isHttps),
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
  };
  return (surface) => (surface === 'browser' ? pages : messages);
};
