// A process of its own: the least a grpc-js server can do, under the same mutual TLS and with messages of the same shape.
import { readFileSync } from 'node:fs';
import process from 'node:process';

import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { Decision, DecisionServiceService, type CheckRequest, type CheckResponse } from '@sallyport/proto/policy/v1';

const [caFile = '', certFile = '', keyFile = ''] = process.argv.slice(2);

const ANSWER: CheckResponse = {
  decision: Decision.DECISION_ALLOW,
  reason: 'GRANTED',
  explanation: 'Developer permits flag:read in a non-production environment.',
  matchedGrant: '01900005-0000-7000-8000-000000000012',
  matchedRole: 'developer',
  policyRevision: '01900001-0000-7000-8000-000000000000@s1.g41',
  standingPosition: 1n,
  grantsRevision: 41n,
  validForMs: 731,
};

const server = new Server();
server.addService(
  { check: DecisionServiceService.check },
  {
    check: (_call: ServerUnaryCall<CheckRequest, CheckResponse>, respond: sendUnaryData<CheckResponse>) => {
      respond(null, ANSWER);
    },
  },
);
const credentials = ServerCredentials.createSsl(
  readFileSync(caFile),
  [{ private_key: readFileSync(keyFile), cert_chain: readFileSync(certFile) }],
  true,
);
server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
  if (error !== null) throw error;
  process.send?.({ port });
});
