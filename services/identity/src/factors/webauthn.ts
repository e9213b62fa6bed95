/**
 * The ceremonies of WebAuthn, as pure functions of what was asked and what came back; the only importer of the library.
 *
 * The library's own counter check is passed over, because it comes before the signature is verified: whoever can send a
 * message could make a passkey look cloned. Ours comes after.
 * @see WebAuthn Level 3 §7.1, §7.2
 */
import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';

/** Who asks: everything follows from the public origin. */
export interface RelyingParty {
  readonly origin: string;
  readonly rpId: string;
}

export const relyingPartyOf = (publicOrigin: string): RelyingParty => {
  const { origin, hostname } = new URL(publicOrigin);
  return { origin, rpId: hostname };
};

const TIMEOUT_MS = 3 * 60_000;
/** EdDSA, ES256, RS256 (RFC 9053, RFC 8812): what every authenticator has one of. */
const ALGORITHMS = [-8, -7, -257];

const base64url = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[\w-]+$/);
const envelope = {
  id: base64url(1_400),
  rawId: base64url(1_400),
  type: z.literal('public-key'),
  authenticatorAttachment: z.enum(['cross-platform', 'platform']).optional(),
  clientExtensionResults: z.object({}).default({}),
};
const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb'] as const;

/** What a browser answers to a registration; bounded, so that no message makes us work long. */
export const registrationSchema = z.object({
  ...envelope,
  response: z.object({
    clientDataJSON: base64url(4_096),
    attestationObject: base64url(32_768),
    transports: z.array(z.string().max(32)).max(16).default([]),
  }),
});

/** What a browser answers to a sign-in. */
export const assertionSchema = z.object({
  ...envelope,
  response: z.object({
    clientDataJSON: base64url(4_096),
    authenticatorData: base64url(4_096),
    signature: base64url(4_096),
    userHandle: base64url(128).nullish(),
  }),
});

export type RegistrationAnswer = z.output<typeof registrationSchema>;
export type AssertionAnswer = z.output<typeof assertionSchema>;

/** Why an answer was refused; for the record, never for whoever sent it. */
export type WebauthnRefusal =
  | 'MALFORMED'
  | 'CROSS_ORIGIN'
  | 'CHALLENGE_UNKNOWN'
  | 'NOT_VERIFIED'
  | 'USER_HANDLE_MISMATCH'
  | 'COUNTER_REGRESSED';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64url');

/** The handle authenticators keep for an account: its id, which says nothing about the person (WebAuthn §14.6.1). */
const userHandleOf = (accountId: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(Buffer.from(accountId.replaceAll('-', ''), 'hex'));

export const registrationOptions = async (
  { rpId }: RelyingParty,
  request: {
    readonly challenge: string;
    readonly accountId: string;
    readonly userName: string;
    readonly displayName: string;
    readonly exclude: readonly { readonly credentialId: Buffer; readonly transports: readonly string[] }[];
  },
): Promise<object> =>
  await generateRegistrationOptions({
    rpName: 'Sallyport',
    rpID: rpId,
    userID: userHandleOf(request.accountId),
    userName: request.userName,
    userDisplayName: request.displayName,
    challenge: new Uint8Array(bytesOf(request.challenge)),
    timeout: TIMEOUT_MS,
    attestationType: 'none',
    excludeCredentials: request.exclude.map(descriptor),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: ALGORITHMS,
  });

const descriptor = ({ credentialId, transports }: { credentialId: Buffer; transports: readonly string[] }) => ({
  id: credentialId.toString('base64url'),
  transports: [...transports],
});

export const assertionOptions = async (
  { rpId }: RelyingParty,
  request: {
    readonly challenge: string;
    /** Empty: whichever passkey the person picks. */
    readonly allow: readonly { readonly credentialId: Buffer; readonly transports: readonly string[] }[];
  },
): Promise<object> =>
  await generateAuthenticationOptions({
    rpID: rpId,
    challenge: new Uint8Array(bytesOf(request.challenge)),
    timeout: TIMEOUT_MS,
    userVerification: 'required',
    allowCredentials: request.allow.map(descriptor),
  });

const clientDataSchema = z.object({ challenge: base64url(512), crossOrigin: z.boolean().optional() });

/** The challenge an answer names, to be used up before anything else is looked at. */
export const readClientData = (
  answer: RegistrationAnswer | AssertionAnswer,
): { readonly challenge: string; readonly isCrossOrigin: boolean } | null => {
  try {
    const parsed = clientDataSchema.safeParse(JSON.parse(bytesOf(answer.response.clientDataJSON).toString('utf8')));
    if (!parsed.success) return null;
    return { challenge: parsed.data.challenge, isCrossOrigin: parsed.data.crossOrigin === true };
  } catch {
    return null;
  }
};

/** A registration that holds. */
export interface RegisteredCredential {
  readonly credentialId: Buffer;
  readonly publicKey: Buffer;
  readonly signCount: number;
  readonly transports: readonly string[];
  readonly isSynced: boolean;
  readonly isBackedUp: boolean;
  readonly aaguid: string;
}

/** Null when it does not hold: origin, RP id, challenge, type, user verification, algorithm, attestation (§7.1). */
export const verifyRegistration = async (
  { origin, rpId }: RelyingParty,
  answer: RegistrationAnswer,
  challenge: string,
): Promise<RegisteredCredential | null> => {
  const { authenticatorAttachment: _attachment, ...response } = answer;
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: { ...response, response: { ...response.response, transports: [] } },
      expectedChallenge: challenge,
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    });
    if (!verified) return null;
    const { credential, aaguid, credentialDeviceType, credentialBackedUp } = registrationInfo;
    return {
      credentialId: bytesOf(credential.id),
      publicKey: Buffer.from(credential.publicKey),
      signCount: credential.counter,
      transports: TRANSPORTS.filter((transport) => answer.response.transports.includes(transport)),
      isSynced: credentialDeviceType === 'multiDevice',
      isBackedUp: credentialBackedUp,
      aaguid,
    };
  } catch {
    // Whatever is wrong with it: the library throws plain errors, and none of them is ours to tell.
    return null;
  }
};

/** What the signature is checked with. */
export interface KnownCredential {
  readonly accountId: string;
  readonly credentialId: Buffer;
  readonly publicKey: Buffer;
  readonly signCount: number;
}

export type VerifiedAssertion =
  | { readonly ok: true; readonly signCount: number; readonly isBackedUp: boolean }
  | { readonly ok: false; readonly reason: WebauthnRefusal };

const refused = (reason: WebauthnRefusal): VerifiedAssertion => ({ ok: false, reason });

/**
 * 1. The signature of the known key over our challenge, origin and RP id, with user verification (§7.2 steps 12–21).
 * 2. The user handle, when there is one, is the account's (step 6).
 * 3. The counter moved on, unless the authenticator has none (step 22).
 */
export const verifyAssertion = async (
  { origin, rpId }: RelyingParty,
  answer: AssertionAnswer,
  { challenge, credential }: { readonly challenge: string; readonly credential: KnownCredential },
): Promise<VerifiedAssertion> => {
  const { userHandle, ...response } = answer.response;
  const verification = await verifyAuthenticationResponse({
    response: {
      id: answer.id,
      rawId: answer.rawId,
      type: answer.type,
      clientExtensionResults: {},
      response,
    },
    expectedChallenge: challenge,
    expectedOrigin: origin,
    expectedRPID: rpId,
    requireUserVerification: true,
    credential: {
      id: credential.credentialId.toString('base64url'),
      publicKey: new Uint8Array(credential.publicKey),
      counter: 0,
    },
  }).catch(() => null); // 1
  if (verification?.verified !== true) return refused('NOT_VERIFIED');
  const handle = Buffer.from(userHandleOf(credential.accountId));
  if (typeof userHandle === 'string' && !bytesOf(userHandle).equals(handle)) return refused('USER_HANDLE_MISMATCH'); // 2
  const { newCounter, credentialBackedUp } = verification.authenticationInfo;
  const hasCounter = newCounter > 0 || credential.signCount > 0;
  if (hasCounter && newCounter <= credential.signCount) return refused('COUNTER_REGRESSED'); // 3
  return { ok: true, signCount: newCounter, isBackedUp: credentialBackedUp };
};
