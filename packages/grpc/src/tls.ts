import { constants } from 'node:crypto';
import { createSecureContext, type PeerCertificate } from 'node:tls';

import { ServerCredentials, credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { AppError } from '@sallyport/errors';

import { serviceIdentity } from './peer-identity.ts';

/** PEM: the deployment's CA, and the certificate (chain) and key of this service. */
export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

const HANDSHAKE_TIMEOUT_MS = 1_000;

/**
 * Server side of mutual TLS 1.3: a client without a certificate of the CA does not get past the handshake.
 *
 * grpc-js's own createSsl leaves the protocol version and tickets to the platform. Tickets are off because a
 * resumed session is not verified again: a client could outlive its certificate by resuming.
 */
class MutualTlsServerCredentials extends ServerCredentials {
  constructor(files: TlsFiles) {
    super(
      {
        requestCert: true,
        rejectUnauthorized: true,
        secureOptions: constants.SSL_OP_NO_TICKET,
        handshakeTimeout: HANDSHAKE_TIMEOUT_MS * 5,
      },
      { ca: files.ca, cert: files.cert, key: files.key, minVersion: 'TLSv1.3' },
    );
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

/** Server side: no client without a certificate of the CA; which service it is, each method's allow list judges. */
export const serverCredentials = (files: TlsFiles): ServerCredentials => new MutualTlsServerCredentials(files);

/**
 * Client side: the server must present a certificate of the CA *and* be the service we meant; another service of
 * the same deployment is refused. The host name is not compared: addresses move, identities do not.
 */
export const channelCredentials = (files: TlsFiles, deployment: string, serverName: string): ChannelCredentials => {
  const secureContext = createSecureContext({ ...files, minVersion: 'TLSv1.3' });
  const checkServerIdentity = (_host: string, certificate: PeerCertificate): Error | undefined => {
    const found = serviceIdentity(certificate.subjectaltname, deployment);
    return found === serverName
      ? undefined
      : new AppError('UNAUTHENTICATED', `The server is not the service ${serverName} of ${deployment}.`);
  };
  return withHandshakeTimeout(credentials.createFromSecureContext(secureContext, { checkServerIdentity }));
};

/**
 * grpc-js waits for a TLS handshake for ever: a peer that accepts the connection and then says nothing (a partition
 * behind a proxy) would keep the channel connecting until the process ends. Here the handshake fails after 1 s and
 * the ordinary reconnect takes over.
 */
const withHandshakeTimeout = (inner: ChannelCredentials): ChannelCredentials => {
  const create = inner._createSecureConnector.bind(inner);
  inner._createSecureConnector = (...options: Parameters<typeof create>) => {
    const connector = create(...options);
    return {
      connect: async (socket) => {
        const late = Promise.withResolvers<never>();
        const timer = setTimeout(() => {
          socket.destroy();
          late.reject(new AppError('DEADLINE_EXCEEDED', 'The TLS handshake took too long.'));
        }, HANDSHAKE_TIMEOUT_MS);
        try {
          return await Promise.race([connector.connect(socket), late.promise]);
        } finally {
          clearTimeout(timer);
        }
      },
      waitForReady: () => connector.waitForReady(),
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => {
        connector.destroy();
      },
    };
  };
  return inner;
};
