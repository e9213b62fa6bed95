import { personSigningIn } from '../access.ts';
import type { DemoIdpContext } from '../context.ts';
import { type Fields, isRecord, openFields } from '../edge/fields.ts';
import { DemoIdpError } from '../errors.ts';
import { issueResponse, type ResponseOverrides } from '../saml/issue-response.ts';
import type { SamlAttribute } from '../saml/shapes.ts';
import {
  DIGEST_ALGORITHMS,
  SIGNATURE_ALGORITHMS,
  type DigestAlgorithm,
  type SignatureAlgorithm,
} from '../saml/sign.ts';
import { samlIssuing } from '../saml/sign-in.ts';

const FIELDS = [
  'personId',
  'inResponseTo',
  'acsUrl',
  'audience',
  'audiences',
  'relayState',
  'evenIfInactive',
  'issuer',
  'destination',
  'recipient',
  'assertionInResponseTo',
  'nameId',
  'nameIdFormat',
  'groups',
  'attributes',
  'skewMs',
  'lifetimeMs',
  'sessionLifetimeMs',
  'authnAgeMs',
  'authnContextClassRef',
  'sessionIndex',
  'assertionId',
  'responseId',
  'statusCodes',
  'conditions',
  'sign',
  'key',
  'algorithm',
  'digest',
  'keyInfo',
];

/** What `POST /api/saml/response` answers: the two form fields a browser would post, and where to. */
export interface MachineResponse {
  readonly SAMLResponse: string;
  readonly RelayState: string | null;
  readonly acsUrl: string;
  /** The same response, readable. */
  readonly xml: string;
}

/**
 * Makes a response without a browser, good by default and wrong in exactly the ways the body asks for.
 * @throws REQUEST_MALFORMED, PERSON_UNKNOWN, PERSON_INACTIVE, TARGET_MISSING
 */
export function machineResponse(context: DemoIdpContext, body: unknown): MachineResponse {
  const fields = openFields(body, FIELDS);
  const { behavior, targets } = context.store.state;
  const inactiveMaySignIn = fields.boolean('evenIfInactive') ?? behavior.inactiveMaySignIn;
  const person = personSigningIn(context.directory, fields.requiredString('personId'), {
    ...behavior,
    inactiveMaySignIn,
  });
  const acsUrl = fields.string('acsUrl') ?? targets.saml?.acsUrl;
  const audience = fields.strings('audiences') ?? fields.string('audience') ?? targets.saml?.spEntityId;
  if (acsUrl === undefined || audience === undefined) {
    throw new DemoIdpError('TARGET_MISSING', 'Give acsUrl and audience, or configure a SAML service provider.');
  }
  const address = { acsUrl, audience, inResponseTo: fields.nullableString('inResponseTo') ?? null };
  const xml = issueResponse(samlIssuing(context), person, address, readOverrides(fields));
  const RelayState = fields.nullableString('relayState') ?? null;
  return { SAMLResponse: Buffer.from(xml, 'utf8').toString('base64'), RelayState, acsUrl, xml };
}

function readOverrides(fields: Fields): ResponseOverrides {
  const given: { [K in keyof ResponseOverrides]-?: ResponseOverrides[K] | undefined } = {
    issuer: fields.string('issuer'),
    destination: fields.nullableString('destination'),
    recipient: fields.nullableString('recipient'),
    assertionInResponseTo: fields.nullableString('assertionInResponseTo'),
    nameId: fields.string('nameId'),
    nameIdFormat: fields.nullableString('nameIdFormat'),
    groups: fields.strings('groups'),
    attributes: readAttributes(fields),
    skewMs: fields.integer('skewMs'),
    lifetimeMs: fields.integer('lifetimeMs'),
    sessionLifetimeMs: fields.integer('sessionLifetimeMs'),
    authnAgeMs: fields.integer('authnAgeMs'),
    authnContextClassRef: fields.string('authnContextClassRef'),
    sessionIndex: fields.nullableString('sessionIndex'),
    assertionId: fields.string('assertionId'),
    responseId: fields.string('responseId'),
    statusCodes: fields.strings('statusCodes'),
    conditions: fields.boolean('conditions'),
    sign: fields.oneOf('sign', ['response', 'assertion', 'both', 'none']),
    key: fields.oneOf('key', ['primary', 'secondary', 'ec', 'foreign']),
    algorithm: fields.oneOf('algorithm', Object.keys(SIGNATURE_ALGORITHMS) as SignatureAlgorithm[]),
    digest: fields.oneOf('digest', Object.keys(DIGEST_ALGORITHMS) as DigestAlgorithm[]),
    keyInfo: fields.boolean('keyInfo'),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** `{ "name": ["value", …] }` */
function readAttributes(fields: Fields): SamlAttribute[] | undefined {
  const attributes = fields.object('attributes');
  if (!isRecord(attributes)) return undefined;
  return Object.entries(attributes).map(([name, values]) => {
    if (!Array.isArray(values) || !values.every((value) => typeof value === 'string')) {
      throw new DemoIdpError('REQUEST_MALFORMED', 'attributes maps names to lists of strings.');
    }
    return { name, values };
  });
}
