import { AppError } from '@sallyport/errors';
import { z } from 'zod';

import { publicKeySet, renderKeySet } from '../workload/index.ts';
import type { ClientSecret, OAuthClient } from './client-store.ts';

const MAX_URIS = 20;

const isHttps = (text: string): boolean => {
  const url = URL.parse(text);
  if (url === null || url.hash !== '' || text.endsWith('#') || url.username !== '' || url.password !== '') return false;
  const isLoopback = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback);
};

/** Absolute, without fragment; plain HTTP only on the machine itself (RFC 9700 §2.1, RFC 8252 §7.3). */
const address = z.string().max(2048).refine(isHttps, 'An absolute https URL without fragment (or http on localhost).');

const changeable = {
  name: z.string().trim().min(1).max(100),
  redirectUris: z.array(address).min(1).max(MAX_URIS),
  postLogoutRedirectUris: z.array(address).max(MAX_URIS),
  backchannelLogoutUri: address.nullable(),
  /** Not the organisation's own: people are asked before it learns anything about them. */
  thirdParty: z.boolean(),
  /** Takes authorization requests pushed by the application only (RFC 9126). */
  requirePar: z.boolean(),
  /** The `resource` it may have JWT access tokens for, of 60 s at most. */
  jwtAudience: address.nullable(),
  /** A resource server: may introspect tokens of the organisation's other clients. */
  mayIntrospect: z.boolean(),
  /** Whether its access tokens act for the person at Sallyport's own API: only for tools that are meant to. */
  apiAccess: z.boolean(),
  jwks: publicKeySet.nullable(),
  jwksUri: address.nullable(),
};

export const newClientSchema = z.object({
  ...changeable,
  kind: z.enum(['public', 'confidential']).default('confidential'),
  authMethod: z.enum(['client_secret', 'private_key_jwt']).default('client_secret'),
  postLogoutRedirectUris: changeable.postLogoutRedirectUris.default([]),
  backchannelLogoutUri: changeable.backchannelLogoutUri.default(null),
  thirdParty: changeable.thirdParty.default(false),
  requirePar: changeable.requirePar.default(false),
  jwtAudience: changeable.jwtAudience.default(null),
  mayIntrospect: changeable.mayIntrospect.default(false),
  apiAccess: changeable.apiAccess.default(false),
  jwks: changeable.jwks.default(null),
  jwksUri: changeable.jwksUri.default(null),
});

/** What is left out stays as it is. */
export const clientChangeSchema = z.object(changeable).partial();

export const secretSchema = z.object({ id: z.uuid(), createdAt: z.iso.datetime() });

export const clientSchema = z.object({
  clientId: z.string(),
  name: z.string(),
  kind: z.enum(['public', 'confidential']),
  authMethod: z.enum(['none', 'client_secret', 'private_key_jwt']),
  jwks: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).nullable(),
  jwksUri: z.string().nullable(),
  redirectUris: z.array(z.string()),
  postLogoutRedirectUris: z.array(z.string()),
  backchannelLogoutUri: z.string().nullable(),
  thirdParty: z.boolean(),
  requirePar: z.boolean(),
  jwtAudience: z.string().nullable(),
  mayIntrospect: z.boolean(),
  apiAccess: z.boolean(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

/** An application in answers; its secrets are hashes and stay where they are. */
export const renderClient = (client: OAuthClient): z.input<typeof clientSchema> => ({
  clientId: client.id,
  name: client.name,
  kind: client.kind,
  authMethod: client.authMethod,
  jwks: renderKeySet(client.jwks),
  jwksUri: client.jwksUri,
  redirectUris: [...client.redirectUris],
  postLogoutRedirectUris: [...client.postLogoutRedirectUris],
  backchannelLogoutUri: client.backchannelLogoutUri,
  thirdParty: client.thirdParty,
  requirePar: client.requirePar,
  jwtAudience: client.jwtAudience,
  mayIntrospect: client.mayIntrospect,
  apiAccess: client.apiAccess,
  createdAt: client.createdAt.toISOString(),
  updatedAt: client.updatedAt.toISOString(),
});

export const renderSecret = ({ id, createdAt }: ClientSecret): z.input<typeof secretSchema> => ({
  id,
  createdAt: createdAt.toISOString(),
});

/** An application as the audit log shows it. */
export const recordedClient = ({
  id: _id,
  createdAt: _at,
  updatedAt: _changed,
  orgId: _org,
  ...rest
}: OAuthClient) => ({
  ...rest,
  jwks: rest.jwks === null ? null : JSON.stringify(rest.jwks),
});

const refuse = (pointer: string, detail: string): never => {
  throw new AppError('INVALID_VALUE', detail, { fields: [{ pointer, code: 'combination', detail }] });
};

/** The parts of an application that only make sense together. @throws INVALID_VALUE */
export const checkClient = (client: OAuthClient): void => {
  const hasKeys = client.jwks !== null || client.jwksUri !== null;
  if (client.jwks !== null && client.jwksUri !== null) refuse('/jwksUri', 'Keys are given in place or by address.');
  if (client.authMethod === 'private_key_jwt' && !hasKeys) refuse('/jwks', 'private_key_jwt needs public keys.');
  if (client.authMethod !== 'private_key_jwt' && hasKeys) refuse('/jwks', 'Keys are for private_key_jwt only.');
  if (client.kind === 'public' && client.mayIntrospect) refuse('/mayIntrospect', 'A public client cannot introspect.');
  if (client.kind === 'public' && client.requirePar)
    refuse('/requirePar', 'Pushed requests show who sends them: a public client cannot.');
};
