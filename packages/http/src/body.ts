import type { IncomingMessage } from 'node:http';

import { AppError } from '@sallyport/errors';
import getRawBody from 'raw-body';

import { IN_TURNS_ABOVE, parseJsonInTurns } from './json-in-turns.ts';
import { checkText, decodeUtf8, parseJson } from './json.ts';
import type { Surface } from './route.ts';

const KIB = 1024;

interface BodyRules {
  readonly contentTypes: readonly string[];
  readonly limitBytes: number;
  /** AuthZEN answers 400 where the others answer 415. */
  readonly wrongTypeIsInvalid: boolean;
  readonly refusePollutingKeys: boolean;
}

const FORM = 'application/x-www-form-urlencoded';
const JSON_TYPE = 'application/json';

const rules = (
  contentTypes: readonly string[],
  limitBytes: number,
  more: Partial<Omit<BodyRules, 'contentTypes' | 'limitBytes'>> = {},
): BodyRules => ({ contentTypes, limitBytes, wrongTypeIsInvalid: false, refusePollutingKeys: false, ...more });

/**
 * What each surface accepts. A route may raise the cap: long bodies are parsed in turns, so that no process is ever busy
 * with one for 50 ms.
 */
export const BODY_RULES: Readonly<Record<Surface, BodyRules>> = Object.freeze({
  api: rules([JSON_TYPE], 256 * KIB, { refusePollutingKeys: true }),
  scim: rules(['application/scim+json', JSON_TYPE], 1024 * KIB, { refusePollutingKeys: true }),
  browser: rules([FORM], 512 * KIB),
  ofrep: rules([JSON_TYPE], 256 * KIB),
  authzen: rules([JSON_TYPE], 256 * KIB, { wrongTypeIsInvalid: true }),
  oauth: rules([FORM], 64 * KIB),
});

export interface BodyOptions {
  readonly surface: Surface;
  readonly contentTypes?: readonly string[] | undefined;
  readonly limitBytes?: number | undefined;
}

const mediaTypeOf = (header: string | undefined): { type: string; charset: string | undefined } => {
  const [type = '', ...parameters] = (header ?? '').split(';');
  const charset = parameters
    .map((parameter) => parameter.trim().toLowerCase())
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice('charset='.length)
    .replaceAll('"', '');
  return { type: type.trim().toLowerCase(), charset };
};

/** The media type of the body. @throws UNSUPPORTED_MEDIA_TYPE (or INVALID_REQUEST); compressed bodies are neither */
export const checkContentType = (request: IncomingMessage, accepted: readonly string[], isInvalid: boolean): string => {
  const { type, charset } = mediaTypeOf(request.headers['content-type']);
  const encoding = request.headers['content-encoding']?.toLowerCase() ?? 'identity';
  const detail = !accepted.includes(type)
    ? `The body must be ${accepted.join(' or ')}.`
    : charset !== undefined && charset !== 'utf-8' && charset !== 'utf8'
      ? 'The body must be UTF-8.'
      : encoding !== 'identity'
        ? 'The body must not be compressed.'
        : null;
  if (detail !== null) throw new AppError(isInvalid ? 'INVALID_REQUEST' : 'UNSUPPORTED_MEDIA_TYPE', detail);
  return type;
};

/** True when the request announces a body of at least one byte, or of unknown length. */
export const hasBody = (request: IncomingMessage): boolean =>
  request.headers['transfer-encoding'] !== undefined ||
  (request.headers['content-length'] !== undefined && request.headers['content-length'] !== '0');

/**
 * Reads and parses the body; never more than the cap is held in memory.
 *
 * JSON types give what {@link parseJson} guarantees; forms give an object without prototype whose values are text, or a
 * list of texts where a name is repeated. A request without a body gives undefined.
 *
 * @throws UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, MALFORMED_JSON, INVALID_REQUEST, CANCELLED (the client left)
 */
export const readBody = async (request: IncomingMessage, options: BodyOptions): Promise<unknown> => {
  const surface = BODY_RULES[options.surface];
  if (!hasBody(request)) return undefined;
  const type = checkContentType(request, options.contentTypes ?? surface.contentTypes, surface.wrongTypeIsInvalid);
  const bytes = await readBytes(request, options.limitBytes ?? surface.limitBytes);
  if (bytes.length === 0) return undefined;
  const text = decodeUtf8(bytes);
  if (type === FORM) return parseForm(text);
  return text.length > IN_TURNS_ABOVE ? await parseJsonInTurns(text, surface) : parseJson(text, surface);
};

const readBytes = async (request: IncomingMessage, limitBytes: number): Promise<Buffer> => {
  try {
    return await getRawBody(request, { limit: limitBytes, length: request.headers['content-length'] ?? null });
  } catch (cause) {
    const type = (cause as { type?: unknown }).type;
    if (type === 'entity.too.large')
      throw new AppError('PAYLOAD_TOO_LARGE', `The body may have at most ${String(limitBytes)} bytes.`, { cause });
    if (type === 'request.size.invalid')
      throw new AppError('INVALID_REQUEST', 'The body is not as long as announced.', { cause });
    throw new AppError('CANCELLED', 'The body ended early.', { cause });
  }
};

/** A form body; names an object could stumble over are harmless because the result has no prototype. */
const parseForm = (text: string): Record<string, string | string[]> => {
  const form = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of new URLSearchParams(text)) {
    checkText(name, '');
    checkText(value, `/${name}`);
    const previous = form[name];
    if (previous === undefined) form[name] = value;
    else if (Array.isArray(previous)) previous.push(value);
    else form[name] = [previous, value];
  }
  return form;
};
