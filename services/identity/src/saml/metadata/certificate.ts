import { X509Certificate } from 'node:crypto';

/** A certificate as people compare it. */
export const describeCertificate = (pem: string) => {
  const certificate = new X509Certificate(pem);
  return {
    subject: certificate.subject,
    fingerprintSha256: certificate.fingerprint256,
    notBefore: certificate.validFromDate.toISOString(),
    notAfter: certificate.validToDate.toISOString(),
  };
};

/** The end of a certificate's validity, in ms since the epoch. */
export const certificateEndMs = (pem: string): number => new X509Certificate(pem).validToDate.getTime();
