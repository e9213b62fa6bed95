/**
 * An OpenID Provider for tests, honest or not: what it puts into its id_tokens, how it signs them and what it says
 * about itself is up to the test. The browser part is skipped: a code is whatever the test hands out.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import {
  exportJWK,
  generateKeyPair,
  SignJWT,
  UnsecuredJWT,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload,
} from 'jose';

export interface SigningKeys {
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
}

export const newSigningKeys = async (kid: string, alg = 'RS256'): Promise<SigningKeys> => {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
};

/** A JWT of these keys; `header` overrides what an honest one says. */
export const signed = async (
  claims: JWTPayload,
  { privateKey, jwk }: SigningKeys,
  header: Record<string, unknown> = {},
): Promise<string> => {
  const whole = { alg: jwk.alg ?? 'RS256', kid: jwk.kid ?? '', ...header };
  const shown = Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
  const crit = Array.isArray(header['crit']) ? { crit: { [String(header['crit'][0])]: true } } : {};
  return await new SignJWT(claims).setProtectedHeader(shown as JWTHeaderParameters).sign(privateKey, crit);
};

/** What the next exchange answers with. */
export interface Exchange {
  readonly claims: JWTPayload;
  readonly userInfo?: Record<string, unknown>;
  readonly sign?: 'none' | 'hmac' | SigningKeys;
  /** null: none; text: this one, whatever the claims. */
  readonly idToken?: null | string;
  /** Overrides of the id_token's header. */
  readonly header?: Record<string, unknown>;
  readonly status?: number;
  /** The whole answer of the token endpoint, in place of an honest one. */
  readonly raw?: unknown;
}

export class MockIdp {
  readonly #server: Server;
  issuer = '';
  keys: SigningKeys;
  /** Keys published; not always those that sign. */
  published: JWK[];
  discovery: Record<string, unknown> = {};
  /** In place of the key set. */
  keySet: [number, unknown] | null = null;
  /** How often the keys were asked for. */
  keyRequests = 0;
  exchange: (parameters: URLSearchParams) => Exchange = () => ({ claims: {} });
  /** Everything the token endpoint was asked. */
  readonly asked: { authorization: string | undefined; parameters: URLSearchParams }[] = [];

  private constructor(server: Server, keys: SigningKeys) {
    this.#server = server;
    this.keys = keys;
    this.published = [keys.jwk];
  }

  static async start(): Promise<MockIdp> {
    const keys = await newSigningKeys('k1');
    const server = createServer();
    const idp = new MockIdp(server, keys);
    server.on('request', (request, response) => {
      const send = (status: number, body: unknown): void => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      idp.#answer(request.url ?? '', request.headers.authorization, text(request)).then(
        ([status, body]) => {
          send(status, body);
        },
        (error: unknown) => {
          send(500, { error: String(error) });
        },
      );
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    idp.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return idp;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #answer(path: string, authorization: string | undefined, body: Promise<string>): Promise<[number, unknown]> {
    switch (path) {
      case '/.well-known/openid-configuration':
        return [200, { ...this.#metadata(), ...this.discovery }];
      case '/jwks':
        this.keyRequests += 1;
        return this.keySet ?? [200, { keys: this.published }];
      case '/token':
        return await this.#token(authorization, new URLSearchParams(await body));
      case '/userinfo':
        return [200, this.exchange(new URLSearchParams()).userInfo ?? {}];
      default:
        return [404, {}];
    }
  }

  #metadata(): Record<string, unknown> {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      userinfo_endpoint: `${this.issuer}/userinfo`,
      jwks_uri: `${this.issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
    };
  }

  async #token(authorization: string | undefined, parameters: URLSearchParams): Promise<[number, unknown]> {
    this.asked.push({ authorization, parameters });
    const { claims, sign, idToken, header, status, raw } = this.exchange(parameters);
    if (raw !== undefined) return [status ?? 200, raw];
    if (status !== undefined) return [status, { error: 'invalid_grant' }];
    const token = { access_token: 'at', token_type: 'Bearer', expires_in: 60 };
    if (idToken === null) return [200, token];
    return [200, { ...token, id_token: idToken ?? (await this.#idToken(claims, sign, header)) }];
  }

  async #idToken(claims: JWTPayload, sign: Exchange['sign'], header: Exchange['header']): Promise<string> {
    if (sign === 'none') return new UnsecuredJWT(claims).encode();
    if (sign === 'hmac') {
      const secret = new TextEncoder().encode(JSON.stringify(this.keys.jwk));
      return await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(secret);
    }
    return await signed(claims, sign ?? this.keys, header);
  }
}
