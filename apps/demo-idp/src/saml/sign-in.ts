import type { KeyObject } from 'node:crypto';
import type { Context } from 'koa';
import { maySignIn, personSigningIn } from '../access.ts';
import type { DemoIdpContext } from '../context.ts';
import type { Person } from '../directory/people.ts';
import { queryParameter } from '../edge/query.ts';
import { DemoIdpError } from '../errors.ts';
import type { SamlTarget } from '../state/state.ts';
import { fetchServiceProvider } from './service-provider.ts';
import { createWaiting, type Waiting } from '../waiting.ts';
import { postingPage, signInPage } from '../web/sign-in-pages.ts';
import type { AuthnRequest } from './authn-request.ts';
import { issueFailure, issueResponse, type Issuing, type ResponseAddress } from './issue-response.ts';

/** A checked sign-in request; request null = started at this identity provider. */
export interface SamlSignIn {
  readonly request: AuthnRequest | null;
  readonly relayState: string | null;
}

const MINUTE_MS = 60_000;
const PENDING_LIFETIME_MS = 10 * MINUTE_MS;
const REMEMBERED_LIFETIME_MS = 8 * 60 * MINUTE_MS;
const REMEMBER_COOKIE = 'demo_idp_sso';
const NO_PASSIVE = ['urn:oasis:names:tc:SAML:2.0:status:Responder', 'urn:oasis:names:tc:SAML:2.0:status:NoPassive'];

/** The addresses of the SAML side; the entity id is the metadata address, whatever the flavour. */
export function samlAddresses(origin: string): { entityId: string; ssoUrl: string; sloUrl: string } {
  return { entityId: `${origin}/saml/metadata`, ssoUrl: `${origin}/saml/sso`, sloUrl: `${origin}/saml/slo` };
}

/** What issuing a response needs, as things stand now. */
export function samlIssuing(context: DemoIdpContext): Issuing {
  return {
    directory: context.directory,
    behavior: context.store.state.behavior,
    keys: context.samlKeys,
    entityId: samlAddresses(context.origin).entityId,
    now: context.clock.now(),
  };
}

/** The key assertions are encrypted for; null while they are not. @throws TARGET_MISSING when the provider names none */
async function encryptionKey(context: DemoIdpContext): Promise<KeyObject | null> {
  if (!context.store.state.behavior.samlEncrypt) return null;
  const { spMetadataUrl } = requireSamlTarget(context);
  const key = spMetadataUrl === null ? null : (await fetchServiceProvider(spMetadataUrl)).encryptionKey;
  if (key === null) throw new DemoIdpError('TARGET_MISSING', 'The service provider names no key to encrypt for.');
  return key;
}

/** The configured service provider. @throws TARGET_MISSING */
export function requireSamlTarget(context: DemoIdpContext): SamlTarget {
  const { saml } = context.store.state.targets;
  if (saml === null) throw new DemoIdpError('TARGET_MISSING', 'No SAML service provider is configured.');
  return saml;
}

/** Turns a checked request into a page that either asks who it is or posts the response. */
export class SamlSignInDesk {
  readonly #context: DemoIdpContext;
  readonly #pending: Waiting<SamlSignIn>;
  readonly #remembered: Waiting<string>;

  constructor(context: DemoIdpContext) {
    this.#context = context;
    this.#pending = createWaiting(context.clock, PENDING_LIFETIME_MS);
    this.#remembered = createWaiting(context.clock, REMEMBERED_LIFETIME_MS);
  }

  /** Ends the sign-in this browser is remembered by. */
  forget(ctx: Context): void {
    this.#remembered.delete(ctx.cookies.get(REMEMBER_COOKIE) ?? '');
    ctx.cookies.set(REMEMBER_COOKIE, null, { path: '/saml' });
  }

  /** Signs in at once when the request names somebody (`as`, `login_hint`) or the browser is remembered; asks otherwise. */
  async answer(ctx: Context, signIn: SamlSignIn): Promise<void> {
    const { directory, store } = this.#context;
    const named = queryParameter(ctx, 'as') ?? queryParameter(ctx, 'login_hint');
    if (named !== null && directory.findPerson(named) !== null) {
      await this.#complete(ctx, signIn, personSigningIn(directory, named, store.state.behavior));
      return;
    }
    const person = this.#rememberedPerson(ctx);
    if (person !== null && signIn.request?.forceAuthn !== true) {
      await this.#complete(ctx, signIn, person);
    } else if (signIn.request?.isPassive === true) {
      this.#send(ctx, signIn, issueFailure(samlIssuing(this.#context), this.#address(signIn), NO_PASSIVE));
    } else {
      this.#ask(ctx, signIn);
    }
  }

  /** Completes a sign-in after somebody was picked. @throws SAML_REQUEST_REFUSED when it has expired or was used. */
  async finish(ctx: Context, id: string, reference: string): Promise<void> {
    const { directory, store } = this.#context;
    const signIn = this.#pending.get(id);
    if (signIn === null) {
      throw new DemoIdpError('SAML_REQUEST_REFUSED', 'This sign-in has expired; start again at the application.');
    }
    const person = personSigningIn(directory, reference, store.state.behavior);
    this.#pending.delete(id);
    await this.#complete(ctx, signIn, person);
  }

  #ask(ctx: Context, signIn: SamlSignIn): void {
    const { directory, store } = this.#context;
    ctx.type = 'html';
    ctx.body = signInPage({
      action: '/saml/continue',
      hidden: { signIn: this.#pending.put(signIn) },
      people: directory.people(),
      maySignIn: (person) => maySignIn(person, store.state.behavior),
    });
  }

  async #complete(ctx: Context, signIn: SamlSignIn, person: Person): Promise<void> {
    const requestedClass = signIn.request?.requestedClasses[0];
    const overrides = requestedClass === undefined ? {} : { authnContextClassRef: requestedClass };
    const encryptFor = await encryptionKey(this.#context);
    const issuing = { ...samlIssuing(this.#context), encryptFor };
    const xml = issueResponse(issuing, person, this.#address(signIn), overrides);
    this.#context.log.add({ kind: 'saml', summary: `${person.displayName} signed in by SAML` });
    if (this.#context.store.state.behavior.rememberSignIn) {
      ctx.cookies.set(REMEMBER_COOKIE, this.#remembered.put(person.key), { sameSite: 'lax', path: '/saml' });
    }
    this.#send(ctx, signIn, xml);
  }

  #send(ctx: Context, signIn: SamlSignIn, xml: string): void {
    const relayState = signIn.relayState === null ? {} : { RelayState: signIn.relayState };
    ctx.type = 'html';
    ctx.body = postingPage(requireSamlTarget(this.#context).acsUrl, {
      SAMLResponse: Buffer.from(xml, 'utf8').toString('base64'),
      ...relayState,
    });
  }

  #address(signIn: SamlSignIn): ResponseAddress {
    const target = requireSamlTarget(this.#context);
    return { acsUrl: target.acsUrl, audience: target.spEntityId, inResponseTo: signIn.request?.id ?? null };
  }

  #rememberedPerson(ctx: Context): Person | null {
    const { behavior } = this.#context.store.state;
    const key = this.#remembered.get(ctx.cookies.get(REMEMBER_COOKIE) ?? '');
    const person = key === null ? null : this.#context.directory.findPerson(key);
    return behavior.rememberSignIn && person !== null && maySignIn(person, behavior) ? person : null;
  }
}
