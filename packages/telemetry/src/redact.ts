/** What stands where a secret stood. */
export const REDACTED = '[redacted]';

/** Key names (lower case, without `-` and `_`) whose value is never logged, whatever it is. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  'assertion',
  'apikey',
  'authorization',
  'codeverifier',
  'cookies',
  'environmentkey',
  'masterkey',
  'otp',
  'passphrase',
  'privatekey',
  'samlresponse',
]);

/** A key that ends like this holds a secret too: `accessToken`, `client_secret`, `Set-Cookie`, `new_password`. */
const SECRET_SUFFIXES = ['token', 'secret', 'password', 'cookie', 'authorization', 'assertion'] as const;

/** `code` is an authorization code on the wire and an error code in our logs; only the shape tells them apart. */
const ERROR_CODE = /^[A-Z][A-Z0-9_]{2,62}$/;
const MAX_STATUS_CODE = 999;

const isErrorCodeValue = (value: unknown): boolean =>
  typeof value === 'number' ? value <= MAX_STATUS_CODE : typeof value === 'string' && ERROR_CODE.test(value);

const isSecretEntry = (key: string, value: unknown): boolean => {
  const name = key.toLowerCase().replaceAll(/[-_]/g, '');
  if (name === 'code') return !isErrorCodeValue(value);
  return SECRET_KEYS.has(name) || SECRET_SUFFIXES.some((suffix) => name.endsWith(suffix));
};

/** Parameters of a URL query, a fragment or a form body. */
const PARAMETERS =
  /(^|[?&#;\s"'])((?:[a-z_]*token|[a-z_]*secret|[a-z_]*password|[a-z_]*assertion|code|code_verifier|otp|samlresponse|authorization)=)[^&#\s"'<>]+/giu;
const CREDENTIALS = /\b(bearer|basic)(\s+)[\w.~+/=-]{6,}/giu;
const HOST_COOKIES = /\b(__(?:Host|Secure)-[\w-]+=)[^;\s"']+/gu;
const JSON_WEB_TOKENS = /\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/gu;
/** Our own secrets: prefix, 43 base62 characters, 6 of checksum (newSecret of packages/storage). */
const OWN_SECRETS = /\b([a-z][a-z0-9]{0,15}_(?:[a-z]{1,15}_)?)[0-9A-Za-z]{49}\b/gu;
const PRIVATE_KEYS = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/gu;

const MAX_TEXT_LENGTH = 8 * 1024;

/**
 * The text without the secrets that can be recognised in it: URL and form parameters, `Bearer`/`Basic` credentials,
 * `__Host-` cookies, JSON web tokens, our own secrets and private keys. Longer than 8 KiB is cut.
 */
export const redactText = (text: string): string => {
  const cut = text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}[cut]` : text;
  return cut
    .replace(PRIVATE_KEYS, REDACTED)
    .replace(PARAMETERS, `$1$2${REDACTED}`)
    .replace(CREDENTIALS, `$1$2${REDACTED}`)
    .replace(HOST_COOKIES, `$1${REDACTED}`)
    .replace(JSON_WEB_TOKENS, REDACTED)
    .replace(OWN_SECRETS, `$1${REDACTED}`);
};

const MAX_DEPTH = 8;
const MAX_ENTRIES = 100;

const redactEntries = (entries: readonly (readonly [unknown, unknown])[], path: readonly object[]): object =>
  // fromEntries defines, it does not assign: keys such as `__proto__` and `toString` are ordinary ones here.
  Object.fromEntries(
    entries
      .slice(0, MAX_ENTRIES)
      .map(([key, item]) => [String(key), isSecretEntry(String(key), item) ? REDACTED : redactValue(item, path)]),
  );

const redactError = (error: Error, path: readonly object[]): object => {
  const own = Object.entries(error).filter(([key]) => key !== 'name' && key !== 'message' && key !== 'stack');
  return {
    type: error.name,
    message: redactText(error.message),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...redactEntries(own, path),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, path) }),
  };
};

const redactObject = (value: object, path: readonly object[]): unknown => {
  if (path.includes(value)) return '[circular]';
  if (path.length >= MAX_DEPTH) return '[too deep]';
  const inner = [...path, value];
  if (value instanceof Error) return redactError(value, inner);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (value instanceof URL) return redactText(value.href);
  if (ArrayBuffer.isView(value)) return `[${String(value.byteLength)} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ENTRIES).map((item) => redactValue(item, inner));
  if (value instanceof Set) return redactValue([...value], path);
  return redactEntries(value instanceof Map ? [...value] : Object.entries(value), inner);
};

/**
 * A copy that is safe to log: secrets gone at any depth, text passed through {@link redactText}, cycles cut, depth
 * (8) and entries (100 a level) bounded, bytes reduced to their number. Never throws.
 */
export const redactValue = (value: unknown, path: readonly object[] = []): unknown => {
  try {
    if (typeof value === 'string') return redactText(value);
    if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
    if (typeof value === 'function') return '[function]';
    return typeof value === 'object' && value !== null ? redactObject(value, path) : value;
  } catch {
    // A getter or proxy that throws must not cost us the log line.
    return '[unreadable]';
  }
};

/** {@link redactValue} for the fields of one log line. */
export const redactFields = (fields: object): Record<string, unknown> => {
  if (fields instanceof Error) return { err: redactValue(fields) };
  const shown = redactValue(fields);
  return typeof shown === 'object' && shown !== null ? (shown as Record<string, unknown>) : { value: shown };
};
