import { type KeyObject, randomBytes } from 'node:crypto';
import type { Flavor } from '../config.ts';
import { type Directory, groupClaims } from '../directory/directory.ts';
import { immutableId, type Person } from '../directory/people.ts';
import type { Behavior, SamlKeyName, SignMode } from '../state/state.ts';
import type { SamlKeys } from './keys.ts';
import {
  type AssertionPlan,
  type ResponsePlan,
  type ResponseWriting,
  STATUS_SUCCESS,
  writeResponse,
} from './response.ts';
import { personAttributes, RESPONSE_SHAPES, type SamlAttribute } from './shapes.ts';
import type { DigestAlgorithm, SignatureAlgorithm } from './sign.ts';

const MINUTE_MS = 60_000;

/** Where a response goes and what it answers. */
export interface ResponseAddress {
  readonly acsUrl: string;
  readonly audience: string | readonly string[];
  readonly inResponseTo: string | null;
}

/** Everything about a response that a test may want different from what a healthy identity provider sends. */
export interface ResponseOverrides {
  issuer?: string;
  destination?: string | null;
  recipient?: string | null;
  /** InResponseTo inside the signed assertion, when it is to differ from the outer one. */
  assertionInResponseTo?: string | null;
  nameId?: string;
  nameIdFormat?: string | null;
  /** Replaces the groups of the person, in the group attribute. */
  groups?: readonly string[];
  /** Replaces all attributes. */
  attributes?: readonly SamlAttribute[];
  /** Moves every instant; negative = the clock of this identity provider is slow. */
  skewMs?: number;
  /** Validity of the assertion; default 5 minutes. */
  lifetimeMs?: number;
  /** Sets SessionNotOnOrAfter this long after now. */
  sessionLifetimeMs?: number;
  /** How long ago the person authenticated. */
  authnAgeMs?: number;
  authnContextClassRef?: string;
  sessionIndex?: string | null;
  assertionId?: string;
  responseId?: string;
  statusCodes?: readonly string[];
  /** false = no Conditions element. */
  conditions?: boolean;
  sign?: SignMode;
  key?: SamlKeyName | 'foreign';
  algorithm?: SignatureAlgorithm;
  digest?: DigestAlgorithm;
  keyInfo?: boolean;
}

/** What issuing needs to know about this identity provider. */
export interface Issuing {
  readonly directory: Directory;
  readonly behavior: Behavior;
  readonly keys: SamlKeys;
  readonly entityId: string;
  readonly now: Date;
  /** The service provider's key; null or absent = assertions are sent as they are. */
  readonly encryptFor?: KeyObject | null;
}

const PASSWORD_CLASS: Readonly<Record<Flavor, string>> = {
  okta: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
  entra: 'urn:oasis:names:tc:SAML:2.0:ac:classes:Password',
};

/** A signed response for one person, in the shape of the flavour being played, as XML. */
export function issueResponse(
  issuing: Issuing,
  person: Person,
  address: ResponseAddress,
  overrides: ResponseOverrides = {},
): string {
  const now = later(issuing.now, overrides.skewMs ?? 0);
  const statusCodes = overrides.statusCodes ?? [STATUS_SUCCESS];
  const succeeded = statusCodes[0] === STATUS_SUCCESS;
  const plan: ResponsePlan = {
    responseId: overrides.responseId ?? newId(issuing.directory.flavor),
    issueInstant: now,
    destination: overrides.destination === undefined ? address.acsUrl : overrides.destination,
    inResponseTo: address.inResponseTo,
    issuer: overrides.issuer ?? issuing.entityId,
    statusCodes,
    assertion: succeeded ? planAssertion({ ...issuing, now }, person, address, overrides) : null,
  };
  return writeResponse(plan, writingOf(issuing, overrides));
}

/** A response that reports a failure instead of a person (for instance to a passive request). */
export function issueFailure(issuing: Issuing, address: ResponseAddress, statusCodes: readonly string[]): string {
  const plan: ResponsePlan = {
    responseId: newId(issuing.directory.flavor),
    issueInstant: issuing.now,
    destination: address.acsUrl,
    inResponseTo: address.inResponseTo,
    issuer: issuing.entityId,
    statusCodes,
    assertion: null,
  };
  return writeResponse(plan, writingOf(issuing, { sign: 'response' }));
}

function writingOf(
  { directory, behavior, keys, encryptFor = null }: Issuing,
  overrides: ResponseOverrides,
): ResponseWriting {
  const shape = RESPONSE_SHAPES[directory.flavor];
  const key = overrides.key ?? behavior.samlKey;
  return {
    shape,
    sign: overrides.sign ?? behavior.samlSign ?? shape.sign,
    encryptFor,
    signature: {
      key: key === 'foreign' ? keys.foreign() : keys.get(key),
      algorithm: overrides.algorithm ?? null,
      digest: overrides.digest ?? 'sha256',
      prefix: shape.signaturePrefix,
      inclusivePrefix: shape.typedValues ? 'xs' : null,
      includeKeyInfo: overrides.keyInfo ?? true,
    },
  };
}

function planAssertion(
  issuing: Issuing,
  person: Person,
  address: ResponseAddress,
  overrides: ResponseOverrides,
): AssertionPlan {
  const { directory, behavior, now } = issuing;
  const end = later(now, overrides.lifetimeMs ?? 5 * MINUTE_MS);
  const audiences = typeof address.audience === 'string' ? [address.audience] : address.audience;
  const id = overrides.assertionId ?? newId(directory.flavor);
  const { recipient = address.acsUrl, assertionInResponseTo = address.inResponseTo, sessionIndex = id } = overrides;
  return {
    id,
    ...nameIdOf(person, directory.flavor, behavior, overrides),
    recipient,
    confirmationInResponseTo: assertionInResponseTo,
    confirmationNotOnOrAfter: end,
    conditions:
      overrides.conditions === false ? null : { notBefore: later(now, -5 * MINUTE_MS), notOnOrAfter: end, audiences },
    authnInstant: later(now, -(overrides.authnAgeMs ?? 0)),
    sessionIndex,
    sessionNotOnOrAfter: overrides.sessionLifetimeMs === undefined ? null : later(now, overrides.sessionLifetimeMs),
    authnContextClassRef: overrides.authnContextClassRef ?? PASSWORD_CLASS[directory.flavor],
    attributes: overrides.attributes ?? attributesOf(issuing, person, overrides),
  };
}

/** Whom a message is about, as the behaviour says. */
export function nameIdOf(
  person: Person,
  flavor: Flavor,
  behavior: Behavior,
  overrides: ResponseOverrides = {},
): { nameId: string; nameIdFormat: string | null } {
  const byId = behavior.samlNameId === 'id';
  const userNameFormat = flavor === 'okta' ? '1.1:nameid-format:unspecified' : '1.1:nameid-format:emailAddress';
  const format = `urn:oasis:names:tc:SAML:${byId ? '2.0:nameid-format:persistent' : userNameFormat}`;
  return {
    nameId: overrides.nameId ?? (byId ? immutableId(person, flavor) : person.userName),
    nameIdFormat: overrides.nameIdFormat === undefined ? format : overrides.nameIdFormat,
  };
}

function attributesOf(issuing: Issuing, person: Person, overrides: ResponseOverrides): readonly SamlAttribute[] {
  const { directory, behavior } = issuing;
  const groups = overrides.groups ?? groupClaims(directory, person, behavior.groupsClaim);
  return personAttributes(directory.flavor, person, { issuer: issuing.entityId, groups });
}

function newId(flavor: Flavor): string {
  return `${RESPONSE_SHAPES[flavor].idPrefix}${randomBytes(20).toString('hex')}`;
}

function later(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}
