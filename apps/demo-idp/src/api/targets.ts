import { type Fields, openFields } from '../edge/fields.ts';
import { DemoIdpError } from '../errors.ts';
import type { Behavior, DemoState, OidcTarget, SamlTarget, ScimTarget } from '../state/state.ts';

const SCIM_PROFILES = ['okta-oin', 'okta-aiw', 'entra', 'entra-062020'] as const;
const SAML_KEYS = ['primary', 'secondary', 'ec'] as const;
const BEHAVIOR_FIELDS = [
  'inactiveMaySignIn',
  'rememberSignIn',
  'samlSign',
  'samlKey',
  'samlPublishedKeys',
  'samlEncrypt',
  'samlNameId',
  'groupsClaim',
] as const satisfies readonly (keyof Behavior)[];

/**
 * Applies the body of `PUT /api/targets`: a part that is given replaces that part, null removes a target,
 * what is absent stays. Nothing is changed unless the whole body is good.
 * @throws REQUEST_MALFORMED
 */
export function applyTargets(state: DemoState, body: unknown): void {
  const fields = openFields(body, ['flavor', 'scim', 'saml', 'oidc', 'behavior']);
  const flavor = fields.oneOf('flavor', ['okta', 'entra']) ?? state.flavor;
  const targets = {
    scim: part(fields, 'scim', scimTarget, state.targets.scim),
    saml: part(fields, 'saml', samlTarget, state.targets.saml),
    oidc: part(fields, 'oidc', oidcTarget, state.targets.oidc),
  };
  const behaviorBody = fields.object('behavior') ?? {};
  const behavior = { ...state.behavior, ...readBehavior(openFields(behaviorBody, BEHAVIOR_FIELDS)) };
  Object.assign(state, { flavor, targets, behavior });
}

function part<T>(fields: Fields, name: string, parse: (body: unknown) => T, present: T | null): T | null {
  const value = fields.object(name);
  if (value === undefined) return present;
  return value === null ? null : parse(value);
}

function scimTarget(body: unknown): ScimTarget {
  const fields = openFields(body, ['baseUrl', 'token', 'profile']);
  return {
    baseUrl: url(fields.requiredString('baseUrl')).replace(/\/+$/, ''),
    token: fields.requiredString('token'),
    profile: fields.oneOf('profile', SCIM_PROFILES) ?? null,
  };
}

function samlTarget(body: unknown): SamlTarget {
  const fields = openFields(body, ['spEntityId', 'acsUrl', 'spMetadataUrl']);
  const spMetadataUrl = fields.nullableString('spMetadataUrl') ?? null;
  return {
    spEntityId: fields.requiredString('spEntityId'),
    acsUrl: url(fields.requiredString('acsUrl')),
    spMetadataUrl: spMetadataUrl === null ? null : url(spMetadataUrl),
  };
}

function oidcTarget(body: unknown): OidcTarget {
  const fields = openFields(body, ['clientId', 'clientSecret', 'redirectUris']);
  const redirectUris = fields.strings('redirectUris') ?? [];
  if (redirectUris.length === 0)
    throw new DemoIdpError('REQUEST_MALFORMED', 'redirectUris needs at least one address.');
  return {
    clientId: fields.requiredString('clientId'),
    clientSecret: fields.requiredString('clientSecret'),
    redirectUris: redirectUris.map(url),
  };
}

function readBehavior(fields: Fields): Partial<Behavior> {
  const published = fields.strings('samlPublishedKeys')?.map((name) => {
    const key = SAML_KEYS.find((one) => one === name);
    if (key === undefined)
      throw new DemoIdpError('REQUEST_MALFORMED', `samlPublishedKeys may list ${SAML_KEYS.join(', ')}.`);
    return key;
  });
  const given: { [K in keyof Behavior]: Behavior[K] | undefined } = {
    inactiveMaySignIn: fields.boolean('inactiveMaySignIn'),
    rememberSignIn: fields.boolean('rememberSignIn'),
    samlSign: fields.nullableOneOf('samlSign', ['response', 'assertion', 'both', 'none']),
    samlKey: fields.oneOf('samlKey', SAML_KEYS),
    samlPublishedKeys: published,
    samlEncrypt: fields.boolean('samlEncrypt'),
    samlNameId: fields.oneOf('samlNameId', ['id', 'userName']),
    groupsClaim: fields.nullableOneOf('groupsClaim', ['names', 'ids']),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function url(value: string): string {
  const parsed = URL.parse(value);
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new DemoIdpError('REQUEST_MALFORMED', `${value} is not an http or https address.`);
  }
  return value;
}
