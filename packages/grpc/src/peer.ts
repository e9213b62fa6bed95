import type { ServerHttp2Stream } from 'node:http2';

import type { ServerSurfaceCall } from '@grpc/grpc-js/build/src/server-call.js';

import { serviceIdentity } from './peer-identity.ts';

/** The two private fields of grpc-js 1.14 that lead to the HTTP/2 stream. */
interface Internals {
  readonly call?: { readonly stream?: ServerHttp2Stream };
}

/**
 * The HTTP/2 stream under a call; undefined when grpc-js hides it elsewhere. grpc-js offers neither a reset nor
 * anything that identifies the connection, and both are needed: a stream whose consumer stopped reading can only be
 * reset, and parsing the certificate once per call would cost more than the call (a test watches the fields).
 */
export const http2StreamOf = (call: object): ServerHttp2Stream | undefined => (call as Internals).call?.stream;

/** Finds the calling service. Identities are remembered per connection, as long as it lives. */
export class PeerIdentities {
  readonly #deployment: string;
  readonly #known = new WeakMap<object, string>();

  constructor(deployment: string) {
    this.#deployment = deployment;
  }

  /** Null when the connection has no certificate that names a service of this deployment. */
  of(call: ServerSurfaceCall): string | null {
    const session = http2StreamOf(call)?.session;
    const known = session === undefined ? undefined : this.#known.get(session);
    if (known !== undefined) return known;
    // Empty unless TLS verified the client against the CA.
    const certificate = call.getAuthContext().sslPeerCertificate;
    const found = serviceIdentity(certificate?.subjectaltname, this.#deployment);
    if (session !== undefined && found !== null) this.#known.set(session, found);
    return found;
  }
}
